"""The page and the terminal say the same, in the order in which a data manager acts; the page needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import polars as pl
import pytest

from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.findings import Severity
from fedward_client.importer.preflight.judge import Judgement, judge
from fedward_client.importer.preflight.page import report_page
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.preflight.profile_document import profile_from, profile_to
from fedward_client.importer.preflight.report import print_report
from fedward_client.importer.preflight.words import HEADINGS
from fedward_shared.errors import ImporterError
from tests.support.preflighting import CONTRACT, SITE, looked, people


def _bad() -> tuple[Profile, Judgement]:
    rows = people(300).with_columns(
        pl.when(pl.int_range(300) % 4 == 0).then(300.0).otherwise("pressure").alias("pressure"),
        pl.lit("").alias("glucose"),
    )
    profile = looked(pl.concat([rows, rows.head(30)]))
    return profile, judge(profile, CONTRACT, Mapping(), SITE, 0.2)


def _page(profile: Profile, judgement: Judgement) -> str:
    return report_page(profile, judgement, CONTRACT, SITE, title="A study", made="export.csv, today")


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in {"meta", "rect", "line"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "line"}:
            assert self.open.pop() == tag


def test_the_page_loads_nothing_and_says_so_to_the_browser() -> None:
    page = _page(*_bad())
    parsed = _Elements()
    parsed.feed(page)

    assert parsed.open == []
    assert not parsed.tags & {"script", "link", "img", "iframe", "object", "base", "form", "a"}
    assert not parsed.attributes & {"src", "href", "onload", "style"}
    assert not re.search("https?:", page)
    assert "default-src 'none'" in page


def test_sections_come_in_the_order_of_acting() -> None:
    profile, judgement = _bad()
    page = _page(profile, judgement)

    wanted = ["do not send", "Verdict", *(HEADINGS[one] for one in Severity if judgement.of(one))]
    wanted += ["<h2>Columns", "<h2>Cohort", "<h2>Quarantine"]
    places = [page.index(text) for text in wanted]
    assert places == sorted(places)


def test_terminal_and_page_tell_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    profile, judgement = _bad()
    print_report(profile, judgement, CONTRACT, SITE)
    printed = " ".join(capsys.readouterr().out.split())
    page = _page(profile, judgement)

    assert len(judgement.findings) >= 3
    for finding in judgement.findings:
        start = finding.text.split("(")[0].strip()
        assert start in printed
        assert start.replace("'", "&#x27;").replace(">", "&gt;").replace("<", "&lt;") in page


def test_the_quarantine_lists_row_column_and_reason() -> None:
    page = _page(*_bad())

    assert "<td>2</td><td>pressure</td><td>is outside its range</td>" in page
    assert "300" not in re.findall(r"<td>pressure</td>.*?</tr>", page)[0]


def test_the_same_rows_give_the_same_page() -> None:
    assert _page(*_bad()) == _page(*_bad())


def test_an_empty_profile_has_a_page_too() -> None:
    profile = Profile(columns=("a", "b"), absent=("age",))
    judgement = judge(profile, CONTRACT, Mapping(), None, 0.2)

    assert "Ready after answers" in _page(profile, judgement)
    assert "no column &#x27;age&#x27;" in _page(profile, judgement)


def test_a_profile_survives_the_way_through_json() -> None:
    profile, _ = _bad()

    assert profile_from(profile_to(profile)) == profile


@pytest.mark.parametrize(
    "change",
    [
        {"columns": "text"},
        {"cohort": {"rows": -1, "unknown": 2}},
        {"more": 1},
        {"numbers": [{"name": "x"}]},
        {"quarantine": [{"row": "1", "column": "c", "reason": "r"}]},
        {"absent": [1]},
        {"cohort": None},
    ],
    ids=str,
)
def test_what_a_worker_makes_up_is_not_believed(change: dict[str, object]) -> None:
    document = profile_to(_bad()[0]) | change

    with pytest.raises(ImporterError):
        profile_from(document)


def test_numbers_that_are_none_are_not_believed() -> None:
    document = profile_to(_bad()[0])
    document["cohort"]["chance"] = float("nan")

    with pytest.raises(ImporterError):
        profile_from(document)


def test_numbers_of_any_size_travel() -> None:
    rows = people(300).with_columns(
        pl.when(pl.int_range(300) % 2 == 0).then(1.7e308).otherwise("glucose").alias("glucose")
    )
    profile = looked(rows)

    assert profile_from(profile_to(profile)) == profile
