"""The annotator in a real JupyterLab in Chromium: real keys vote, and the notebook is none the worse for them."""

import os

import pytest
from lab_page import cells_of, lab_page

from pqa_lab.scaling.store import VoteStore

pytestmark = pytest.mark.browser
CELLS = [
    "from pathlib import Path\nfrom pqa_lab.widgets import annotate\n"
    "photos = {p.name: p for p in sorted(Path('.').glob('*.jpg'))}\n"
    "annotator = annotate(photos, 'votes.db', scene='park', observer='ada')\nannotator",
    "buttons = annotate(photos, 'votes.db', scene='park', observer='grace', plain=True)\nbuttons",
]


def test_keys_vote_in_jupyterlab_and_the_notebook_is_unharmed(photos, tmp_path):
    # The photos lie in the folder, too. Tall: what is off the screen is drawn lazily.
    with lab_page(tmp_path, CELLS, height=2200) as (page, trouble):
        pair = page.locator(".pqa-pair")
        pair.wait_for()

        def press(key, count=None):
            page.wait_for_function("document.querySelector('.pqa-pair').getAttribute('aria-busy') === 'false'")
            page.keyboard.press(key)
            if count is not None:
                page.locator(".pqa-count", has_text=f"{count} of 10 votes").wait_for()

        pair.click(position={"x": 5, "y": 5})
        for count, key in enumerate(["1", "2", "0", "ArrowLeft", "ArrowRight", "="], start=1):
            press(key, count)
        press("u", 5)
        # Unprotected, these cut, copy, insert, merge and convert cells.
        for key in ["x", "m", "a", "b", "c", "v", "d", "d", "y", "r", "1", "Shift+m", "?"]:
            press(key)
        page.locator(".pqa-count", has_text="6 of 10 votes").wait_for()
        page.locator(".pqa-help li").first.wait_for()
        if folder := os.environ.get("PQA_LAB_SCREENSHOTS"):
            pair.screenshot(path=f"{folder}/annotator_help.png")
        press("?")
        pair.get_by_role("button", name="B is better").click()
        page.locator(".pqa-count", has_text="7 of 10 votes").wait_for()
        page.locator(".pqa-plot summary").click()
        if folder:
            page.screenshot(path=f"{folder}/lab.png")
        page.locator(".jupyter-button", has_text="A is better").click()
        page.locator(".widget-label", has_text="1 of 10").first.wait_for()
        if folder:
            page.screenshot(path=f"{folder}/lab_end.png")
        cells = cells_of(page)
    table = VoteStore(tmp_path / "votes.db").votes(undone=True)
    ada = table[table.observer == "ada"]
    assert ada.preferred.tolist() == ["first", "second", "tie", "first", "second", "tie", "first", "second"]
    assert ada.undone_at.notna().tolist() == [False] * 5 + [True] + [False] * 2
    assert table[table.observer == "grace"].preferred.tolist() == ["first"]
    assert cells == [("code", cell) for cell in CELLS]
    assert trouble == []
