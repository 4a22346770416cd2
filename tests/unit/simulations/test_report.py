"""The report shows what it was given, and loads nothing from a network."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from fedward_shared.drawing.page import Page
from fedward_simulations.metrics import Run, Scored, auc
from fedward_simulations.report.figures import TITLES, Figures, Method, auc_json, figures
from fedward_simulations.report.plots import (
    auc_plot,
    calibration_plot,
    hospitals_plot,
    participation_plot,
    privacy_plot,
)
from fedward_simulations.report.table import print_figures

SITES = ("north", "south", "tiny")


def a_run(seed: int) -> Run:
    rng = np.random.default_rng(seed)
    labels = {
        "north": np.arange(40) % 2,
        "south": (np.arange(30) % 3 == 0).astype(np.int64),
        "tiny": np.ones(3, np.int64),
    }
    return {site: Scored(truth, 1 / (1 + np.exp(-rng.normal(truth, 1.0)))) for site, truth in labels.items()}


@pytest.fixture(scope="module")
def made() -> Figures:
    methods = [
        Method("federated_dp", "real processes", (a_run(0),)),
        Method("local", "simulation", tuple(a_run(seed) for seed in (1, 2, 3))),
    ]
    return figures(methods, {"north": 0.5, "south": 0.33, "tiny": 1.0})


def test_methods_come_in_the_order_of_the_titles(made: Figures) -> None:
    assert [method.key for method in made.methods] == ["local", "federated_dp"]
    assert set(made.pooled) == {"local", "federated_dp"} <= set(TITLES)


def test_a_hospital_with_one_class_has_no_auc_and_no_part_in_the_mean(made: Figures) -> None:
    assert set(made.sites) == {"north", "south"}
    assert made.within_hospitals == ("north", "south")
    own = [auc(a_run(0)[site].labels, a_run(0)[site].scores) for site in ("north", "south")]
    assert made.within["federated_dp"].value == pytest.approx(np.mean(own))


def test_json_has_plain_numbers_with_intervals_beside_them(made: Figures) -> None:
    block = auc_json(made.pooled)
    for key in made.pooled:
        low, high = block["interval"][key]
        assert low < block["auc"][key] < high


def test_the_table_names_every_method(made: Figures) -> None:
    text = io.StringIO()
    print_figures(made, Console(file=text, width=80))
    assert all(method.short in text.getvalue() for method in made.methods)
    assert f"{made.hospital_only:.3f}" in text.getvalue()


def test_plots_are_well_formed_and_load_nothing(made: Figures) -> None:
    drawings = [
        auc_plot(made),
        hospitals_plot(made),
        calibration_plot(made),
        participation_plot(3, {"north": (1, 2, 3), "south": (1, 3)}),
        privacy_plot({"north": 2.9, "south": 2.5}, 3.0),
    ]
    for drawing in drawings:
        ET.fromstring(drawing)  # noqa: S314 - our own text
        assert not re.search(r'(?:href|src)="(?!#)', drawing)


def test_a_page_escapes_text_and_holds_everything_itself() -> None:
    page = Page("A & B", "<script>alert(1)</script>")
    page.heading("Figures")
    page.text("1 < 2")
    page.table(["site", "AUC"], [["north", "<b>"]])
    page.svg("<svg></svg>")
    html = page.render()
    assert "<script" not in html
    assert "1 &lt; 2" in html
    assert "&lt;b&gt;" in html
    assert not re.search("https?:", html)
    assert "default-src 'none'" in html
