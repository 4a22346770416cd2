"""The page about private training shows a program; it is the program, and it runs."""

import re
import subprocess
import sys
from pathlib import Path

_DOCS = Path(__file__).parents[3] / "docs"
_EXAMPLE = _DOCS / "examples" / "own_model.py"


def test_the_example_runs_and_learns() -> None:
    done = subprocess.run([sys.executable, _EXAMPLE], check=True, capture_output=True, text=True)
    (right,) = re.findall(r"training records: ([0-9.]+)", done.stdout)
    assert float(right) > 0.65
    assert "epsilon 3.00 by our accountant" in done.stdout


def test_the_page_shows_what_the_example_does() -> None:
    page, program = (_DOCS / "dp.md").read_text(), _EXAMPLE.read_text()
    shown = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert shown[0] in program
    assert shown[1] in program
