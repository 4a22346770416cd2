"""What a stopped import of a simulated site leaves behind: what was there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_client.importer.report import ImportReport
from fedward_simulations.importing import import_into


def _stopped(inbox: Path) -> ImportReport:
    (inbox / "half").mkdir()
    raise KeyboardInterrupt


def test_a_stopped_import_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        import_into(tmp_path / "deep" / "data", "north", _stopped)

    assert list(tmp_path.iterdir()) == []


def test_a_stopped_import_leaves_the_earlier_one(tmp_path: Path) -> None:
    earlier = tmp_path / "data" / "north" / "import.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")

    with pytest.raises(KeyboardInterrupt):
        import_into(tmp_path / "data", "north", _stopped)

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data", "import.json", "north"]
