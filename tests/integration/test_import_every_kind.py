"""Every type of source goes through the confined program, and comes out as it does without confinement."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedward_client.home import SiteHome
from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.program.in_worker import Outcome, forbidden_of, import_confined
from fedward_simulations.generate.command import Request, generate
from fedward_simulations.generate.kinds import KINDS

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("kind", KINDS)
def test_the_confined_import_is_the_same_bytes(kind: str, tmp_path: Path) -> None:
    generate(Request(kind=kind, out=tmp_path / "made", sites=("north",), patients=30, seed=1))
    folder = tmp_path / "made" / "north"
    manifest = (tmp_path / "made" / "study.toml").read_bytes()
    order = ImportOrder(manifest, load_mapping(folder / "mapping.toml"), folder, "made")
    home = SiteHome(tmp_path / "site")
    home.make_folders()
    home.vault_key_file.write_text("secret")
    outcomes: list[Outcome] = []

    confined = import_confined(order, home.inbox, forbidden=forbidden_of(home), told=outcomes.append)

    assert confined.accepted
    assert confined.version == import_here(order, tmp_path / "inbox").version
    assert outcomes[0].confined.reached == ()


_PARENT = """
import sys
from pathlib import Path
from fedward_client.importer.mapping import Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.program.in_worker import import_confined
from tests.support.samples import TWO_SITES
source = Path(sys.argv[1])
order = ImportOrder(TWO_SITES.encode(), Mapping(source=SourceTerms("", source)), source.parent, "heart")
assert import_confined(order, source.parent / "inbox").accepted == 1
parsers = {"polars", "numpy", "pydicom", "nibabel", "PIL", "wfdb", "sqlalchemy", "fastexcel", "sqlite3", "torch"}
print(sorted(parsers & set(sys.modules)))
"""


def test_the_parent_loads_nothing_that_could_read_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("patient_id,split,age,chest_pain,disease\np,train,50,1,0\n")
    root = Path(__file__).parents[2]

    line = [sys.executable, "-c", _PARENT, str(tmp_path / "a.csv")]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=root)

    assert done.stdout == "[]\n"
