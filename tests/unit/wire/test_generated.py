"""The generated protobuf code is what `make proto` writes from the .proto files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fedward_shared

SHARED = Path(fedward_shared.__file__).parents[1]
PROTOS = sorted(SHARED.glob("fedward_shared/wire/*.proto"))


def test_regenerating_changes_nothing(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{SHARED}",
            f"--python_out={tmp_path}",
            f"--mypy_out={tmp_path}",
            *(str(proto) for proto in PROTOS),
        ],
        check=True,
        env=dict(os.environ, PATH=path),
    )
    written = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    assert len(written) == 2 * len(PROTOS)
    for file in written:
        assert file.read_bytes() == (SHARED / file.relative_to(tmp_path)).read_bytes(), file.name
