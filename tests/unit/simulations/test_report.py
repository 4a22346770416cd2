"""The report shows what it was given, and loads nothing from a network."""

import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from fedward_shared.drawing.page import Page
from fedward_shared.evaluation.ranking import auc
from fedward_simulations.report.clinical import clinical_page
from fedward_simulations.report.figures import TITLES, Figures, blocks, figures, method
from fedward_simulations.report.plots import participation_plot, privacy_plot
from fedward_simulations.report.table import print_figures
from tests.support.compared import compared_classes, compared_survival


@pytest.fixture(scope="module")
def made() -> Figures:
    return figures(compared_classes())


@pytest.fixture(scope="module")
def page(made: Figures) -> str:
    return clinical_page(made.compared, made)


def test_figures_are_those_of_the_scores(made: Figures) -> None:
    run = made.compared.methods[1].runs[0]
    own = [auc(run[site].scores[:, 1], run[site].labels == 1) for site in ("north", "south")]
    found = [made.at("dp", site) for site in ("north", "south")]
    assert [one.value for one in found if one] == pytest.approx(own)
    assert made.at("dp", "tiny") is None
    assert made.one.within_hospitals == ("north", "south")
    within = made.within("dp")
    assert within is not None
    assert within.value == pytest.approx(np.mean([value for value in own if value is not None]))
    assert made.main.key == "dp"


def test_json_has_plain_numbers_with_intervals_beside_them(made: Figures) -> None:
    block = json.loads(json.dumps(blocks(made)))
    for key in ("local", "dp"):
        low, high = block["pooled"]["interval"][key]
        assert low < block["pooled"]["auc"][key] < high
        assert 0 < block["brier"][key] < 0.25 < block["accuracy"][key]
    assert block["within"]["hospitals"] == ["north", "south"]
    assert set(block["sites"]["north"]["auc"]) == {"local", "dp"}
    assert 0.5 < block["hospital_only"] < 0.8


def test_the_table_names_every_method_and_fits_80_columns(made: Figures) -> None:
    text = io.StringIO()
    print_figures(made, Console(file=text, width=80))
    assert all(method.label in text.getvalue() for method in made.compared.methods)
    assert f"{made.hospital_only:.3f}" in text.getvalue()


def sections(page: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", page)


def test_a_clinician_finds_every_section(page: str) -> None:
    told = " / ".join(sections(page))
    wanted = ("asked", "data", "Discrimination", "threshold", "Calibration", "Decision", "subgroups", "no part")
    assert [word for word in (*wanted, "privacy", "not say", "number") if word not in told] == []
    assert page.count("How to read it") >= 8
    for name in ("north", "south", "tiny", "Each hospital alone", "Federated, ε = 3", "Knowing only the hospital"):
        assert name in page


def test_the_summary_says_it_in_words(made: Figures, page: str) -> None:
    box = re.findall('<p class="box">(.*?)</p>', page)[0]
    told, within = made.pooled("dp"), made.within("dp")
    assert told is not None
    assert within is not None
    for value in (told.value, told.low, told.high, within.value, made.hospital_only or 0):
        assert f"{value * 100:.0f}\u00a0%" in box
    assert "Each hospital alone" in box


def test_too_few_patients_are_a_warning_and_no_figure(page: str) -> None:
    row = next(row for row in re.findall("<tr>(.*?)</tr>", page) if "&lt;b&gt;nobody" in row)
    assert "⚠ too few patients" in row
    assert not re.search(r"0\.\d{3}", row)
    assert "⚠\u00a0too few" in page
    assert "tiny: too few test patients" in page


def test_nothing_is_loaded_and_nothing_is_markup_but_ours(page: str) -> None:
    assert not re.search(r"<script|https?:|url\(|@import|(?:src|href)=", page)
    assert "default-src 'none'" in page
    assert "Invented &lt;numbers&gt;." in page
    assert "real &lt;processes&gt;" in page


def test_every_plot_is_well_formed_and_says_in_words_what_it_shows(page: str) -> None:
    whole = [part for part in re.findall("<figure>(.*?)</figure>", page) if "<svg" in part]
    assert len(whole) >= 6
    for figure in whole:
        root = ET.fromstring(figure.split("<figcaption>")[0])  # noqa: S314 - our own text
        assert root.get("role") == "img"
        assert len(root.get("aria-label", "")) > 30


def test_survival_is_told_by_its_c_index_and_horizons() -> None:
    told = figures(compared_survival())
    page = clinical_page(told.compared, told)
    assert blocks(told)["pooled"].keys() == {"c_index", "interval"}
    assert "C-index, pooled" in page
    for horizon in ("333.3", "666.7", "1000"):
        assert f"Risk up to {horizon} days" in page
    assert "Acting at a threshold" not in page
    assert "the one who had the event first" in page


def test_the_ways_of_a_run_have_titles() -> None:
    told = method("federated_dp", "real processes", [{}], {"north": 1.0})
    assert (told.title, told.spent) == (TITLES["federated_dp"], {"north": 1.0})


def test_plots_of_a_run_are_well_formed() -> None:
    for drawing in (
        participation_plot(3, {"north": (1, 2, 3), "s<uth": (1, 3)}),
        privacy_plot({"north": 2.9, "south": 2.5}, 3.0),
    ):
        ET.fromstring(drawing)  # noqa: S314 - our own text


def test_a_page_escapes_text_and_holds_everything_itself() -> None:
    page = Page("A & B", "<script>alert(1)</script>")
    page.heading("Figures")
    page.text("1 < 2")
    page.points(["a", "<i>"])
    page.table(["site", "AUC"], [["north", "<b>"]], caption="<u>")
    page.row([("<svg></svg>", "<s>")])
    html = page.render()
    assert "<script" not in html
    for text in ("1 &lt; 2", "&lt;b&gt;", "&lt;i&gt;", "&lt;u&gt;", "&lt;s&gt;"):
        assert text in html
    assert not re.search("https?:", html)
    assert "default-src 'none'" in html
