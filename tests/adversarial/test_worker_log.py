"""No patient's value reaches the vault's log: libraries put cells into their messages, and some print by themselves."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from fedward_client.vault.training.pipes import frame, pull, read_head

_WORKER = """
import os, sys, types, warnings
from fedward_client.vault.training import worker
class PanicException(BaseException):
    "As polars raises it: no Exception."
class Session:
    def __init__(self, source, kept=0):
        pass
    def run(self, order):
        print("Jane Roe")
        warnings.warn("Jane Roe")
        sys.stderr.write("Jane Roe")
        os.write(2, b"thread '<unnamed>' panicked: could not parse 'Jane Roe' as i64")
        raise {kind}("Jane Roe")
fake = types.ModuleType("fedward_client.vault.training.session")
fake.Session = Session
sys.modules["fedward_client.vault.training.session"] = fake
for name in ("opacus", "opacus.grad_sample", "polars"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["opacus"].grad_sample = sys.modules["opacus.grad_sample"]
worker.main()
"""
_ORDER = {
    "site": "north",
    "data_folder": "/nowhere",
    "task": 2,
    "round": 1,
    "attempt": 1,
    "digest": "00" * 32,
    "reports": "/nowhere",
    "backbones": "",
    "manifest_bytes": 0,
    "payload_bytes": 0,
}


def test_what_libraries_say_about_records_is_not_logged() -> None:
    for kind in ("ValueError", "PanicException"):
        with subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER.replace("{kind}", kind)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            read = partial(pull, process.stdout.fileno())
            assert read_head(read) == {"ready": True}
            for _ in range(2):  # it lives on
                process.stdin.write(frame(_ORDER))
                assert read_head(read) == {"error": f"training failed ({kind})"}
            process.stdin.close()
            said = process.stderr.read().decode()
        assert "Jane" not in said
        assert kind in said
        assert "in run" in said
