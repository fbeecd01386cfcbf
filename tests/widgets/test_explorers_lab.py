"""The explorers in a real JupyterLab: keys and clicks change what is drawn, and the notebook is none the worse."""

import os
from pathlib import Path

import pytest
from lab_page import lab_page

pytestmark = pytest.mark.browser
CELLS = [
    "import pqa_lab.widgets as w\nw.jod_explorer()",
    "w.loss_explorer()",
    "w.leaderboard()",
    "w.scene_split_explorer()",
    "w.crop_viewer()",
]


def drawing(box, face):
    """What a face shows: the SVG of a figure, or its HTML."""
    return (
        box.locator(".pqa-face")
        .nth(face)
        .evaluate("el => [...el.querySelectorAll('svg.main-svg')].map((s) => s.innerHTML).join('') || el.innerHTML")
    )


def wait_for_change(box, face, before, patience=60):
    for _ in range(5 * patience):
        if drawing(box, face) != before:
            return
        box.page.wait_for_timeout(200)
    pytest.fail("the drawing did not change")


def shot(box, folder, name):
    path = Path(os.environ.get("PQA_LAB_SCREENSHOTS") or folder) / f"{name}.png"
    box.screenshot(path=str(path))
    assert path.stat().st_size > 10_000


def test_keys_and_clicks_change_the_figures(tmp_path):
    with lab_page(tmp_path, CELLS, height=4200) as (page, trouble):
        explorers = page.locator(".pqa-explorer")
        jod, loss, board, split, crop = (explorers.nth(k) for k in range(5))
        for box, face in ((jod, 1), (loss, 0), (board, 1), (split, 1)):
            box.locator(".pqa-face").nth(face).locator(".js-plotly-plot .main-svg").first.wait_for()

        # A slider by keyboard; the keys that JupyterLab would take for its own do nothing to the notebook.
        words = jod.locator(".pqa-words").nth(1)
        before = drawing(jod, 1)
        slider = jod.get_by_role("slider", name="votes a pair")
        slider.focus()
        for key in ["x", "b", "a", "d", "d", "m", "ArrowRight", "ArrowRight"]:
            page.keyboard.press(key)
        words.filter(has_text="17 votes a pair").wait_for()
        wait_for_change(jod, 1, before)
        assert jod.locator("[role=img]").nth(1).get_attribute("aria-label").startswith("17 votes a pair")
        jod.get_by_role("combobox", name="prior").select_option(label="none (likelihood only)")
        jod.get_by_role("slider", name="photo D, JOD").focus()
        for _ in range(4):
            page.keyboard.press("PageUp")
        words.filter(has_text="no finite scale").wait_for()
        shot(jod, tmp_path, "jod_explorer")

        # A button by keyboard moves the points and the sliders.
        before = drawing(loss, 0)
        loss.get_by_role("button", name="Shift all by 0.5").focus()
        page.keyboard.press("Enter")
        loss.locator("caption", has_text="shift by 0.5").wait_for()
        blind = loss.locator("tr", has_text="plcc").inner_text()
        assert blind.endswith("no")
        assert loss.locator("tr", has_text="huber").inner_text().endswith("yes")
        wait_for_change(loss, 0, before)
        assert loss.get_by_role("slider", name="photo A").get_attribute("aria-valuenow") == "-0.5"
        shot(loss, tmp_path, "loss_explorer")

        before = drawing(board, 1)
        board.get_by_role("slider", name="scenes").focus()
        page.keyboard.press("Home")
        board.locator(".pqa-words", has_text="2 scenes:").wait_for()
        wait_for_change(board, 1, before)
        shot(board, tmp_path, "leaderboard")

        # A click on a point chooses its scene in both figures and in the list.
        chosen = split.get_by_role("combobox", name="look at")
        was = chosen.input_value()
        point = split.locator(".pqa-face").nth(1).locator(".trace.scatter .point").first.bounding_box()
        page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
        split.locator(".pqa-words").first.filter(has_text="scene 1 (train)").wait_for()
        assert chosen.input_value() != was
        shot(split, tmp_path, "scene_split_explorer")

        before = crop.locator("img").nth(1).get_attribute("src")
        crop.get_by_role("combobox", name="view").select_option(label="five crops (PQE, BDVQA)")
        crop.locator("figcaption", has_text="(5 views)").wait_for()
        assert crop.locator("img").nth(1).get_attribute("src") != before
        assert all(image.get_attribute("alt") for image in crop.locator("img").all())
        shot(crop, tmp_path, "crop_viewer")

        sources = page.evaluate(
            "() => jupyterapp.shell.currentWidget.context.model.toJSON().cells.map((c) => [c.cell_type, c.source])"
        )
    assert [(kind, "".join(source)) for kind, source in sources][:-1] == [("code", cell) for cell in CELLS]
    assert trouble == []
