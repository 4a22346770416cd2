"""Reports as a clinician opens them: in a browser, without a network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedward_client.vault.training.dataset import Dataset, Part
from fedward_client.vault.training.evaluation import write_report
from fedward_simulations.report.clinical import clinical_page
from fedward_simulations.report.compared import Compared
from tests.support.browser import CHROMIUM, open_page
from tests.support.compared import compared_classes, compared_survival

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.processes,
]
_STUDIES = {"classes": compared_classes, "survival": compared_survival}


def site_report(compared: Compared, folder: Path) -> Path:
    """What a vault writes at the first hospital."""
    scored = compared.methods[-1].runs[0]["north"]
    part = Part(
        np.zeros((scored.rows, 1), np.float32),
        scored.labels,
        scored.units,
        scored.patients,
        scored.units,
        scored.groups,
    )
    groups = {
        group.name: scored.groups.get(group.name, scored.units < 0) for group in compared.study.evaluation.subgroups
    }
    data = Dataset(part, replace(part, groups=groups))
    write_report(folder, study=compared.study, site="north", data=data, scores=scored.scores, about={})
    return folder / "report.html"


def colours(picture: Path) -> int:
    """How many colours there are in a picture: one, where nothing was drawn."""
    from PIL import Image

    with Image.open(picture) as opened:
        return len(opened.convert("RGB").getcolors(1 << 20) or [])


@pytest.mark.parametrize("kind", _STUDIES)
@pytest.mark.parametrize("reader", ["clinician", "site"])
def test_a_report_opens_with_its_plots_and_loads_nothing(kind: str, reader: str, tmp_path: Path) -> None:
    compared = _STUDIES[kind]()
    if reader == "site":
        page = site_report(compared, tmp_path / "report")
    else:
        page = tmp_path / "report.html"
        page.write_text(clinical_page(compared), encoding="utf-8")
    opened = open_page(page, tmp_path)
    assert opened.console == ()
    assert opened.document.count('role="img"') >= 3
    assert opened.document.count("<h2>") >= 7
    assert opened.document.rstrip().endswith("</html>")
    assert colours(opened.picture) > 50


def test_a_page_that_tried_to_load_something_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    text = clinical_page(compared_classes(seeds=1))
    page.write_text(text.replace("</main>", '<img src="http://127.0.0.1:9/x.png"></main>'), encoding="utf-8")
    assert any("x.png" in line for line in open_page(page, tmp_path).console)
