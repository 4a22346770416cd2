"""An exported model's pages in a real browser: they show what they hold, load nothing, and leave the console empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_server.export.card.sections import sections
from fedward_server.export.card.texts import from_json
from fedward_server.export.exporting import Wish, export_model
from fedward_shared.bundle.folder import Bundle
from tests.support.browser import CHROMIUM, open_page
from tests.support.finished_studies import NOW, finished_study

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    root = tmp_path_factory.mktemp("exported")
    ended = finished_study(root / "home")
    return export_model(ended.home, ended.folder, Wish(root / "model", onnx=False), clock=lambda: NOW).bundle


def test_the_card_opens_in_a_browser(bundle: Bundle, tmp_path: Path) -> None:
    opened = open_page(bundle.root / "card.html", tmp_path)
    assert opened.console == ()
    for section in sections(from_json(bundle.read("card.json"))):
        assert f"<h2>{section.title}</h2>" in opened.document
    assert opened.picture.stat().st_size > 10_000


def test_the_score_opens_in_a_browser(bundle: Bundle, tmp_path: Path) -> None:
    opened = open_page(bundle.root / "scorecard.html", tmp_path)
    assert opened.console == ()
    assert "<h2>1. Add up the points</h2>" in opened.document
    assert opened.picture.stat().st_size > 10_000
