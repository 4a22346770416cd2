"""The gateway's status file."""

from pathlib import Path

import pytest

from fedward_client.gateway.status import GatewayStatus, State, StatusFile, read_status


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    now = [1000.0]
    status = StatusFile(path, "example.org:8443", lambda: now[0])
    assert read_status(path) is None
    status.now(State.ATTACHED, "north")
    now[0] = 1010.0
    status.now(State.ATTACHED, "north")
    assert read_status(path) == GatewayStatus(State.ATTACHED, 1000, "example.org:8443", "north")
    status.failed("no route " * 100)
    found = read_status(path)
    assert found is not None
    assert found.last_error_at == 1010
    assert len(found.last_error) == 500


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"state": 1}', b'{"other": 1}', b"x" * 20_000])
def test_a_damaged_file_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)
    assert read_status(path) is None
