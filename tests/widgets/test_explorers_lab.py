"""The explorers in a real JupyterLab: keys and clicks change what is drawn, and the notebook is none the worse."""

import os
import re
from pathlib import Path

import pytest
from lab_page import cells_of, lab_page

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

        cells = cells_of(page)
    assert cells == [("code", cell) for cell in CELLS]
    assert trouble == []


VIEWERS = [
    "import pqa_lab.widgets as w\nw.camera_bench()",
    "import torch\nfrom pqa_lab.methods import METHODS\ntorch.manual_seed(0)\n"
    "w.attention_viewer(METHODS['sar'].tiny())",
]


def test_a_camera_and_a_method_are_turned_by_keys(tmp_path):
    with lab_page(tmp_path, VIEWERS, height=3600) as (page, trouble):
        bench, inside = (page.locator(".pqa-explorer").nth(k) for k in range(2))

        # Bright by keyboard: another photo, another score, other maps. The reset button brings the first photo back.
        photo, lit = bench.locator("img").nth(1), bench.locator("img").nth(2)
        at_rest, map_at_rest = photo.get_attribute("src"), lit.get_attribute("src")
        assert at_rest == bench.locator("img").nth(0).get_attribute("src")
        bench.locator("p", has_text="Nothing turned. The ranker: +0.00 JOD").wait_for()
        bench.get_by_role("slider", name="exposure").focus()
        for key in ["x", "d", "d", "PageUp"]:
            page.keyboard.press(key)
        words = bench.locator("p", has_text="exposure")
        words.wait_for()
        assert re.search(r"The ranker: -\d.*The simulation's truth: -\d", words.inner_text())
        assert photo.get_attribute("src") != at_rest
        assert lit.get_attribute("src") != map_at_rest
        assert all(image.get_attribute("alt") for image in bench.locator("img").all())
        shot(bench, tmp_path, "camera_bench")
        bench.get_by_role("button", name="Reset").focus()
        page.keyboard.press("Enter")
        bench.locator("p", has_text="Nothing turned.").wait_for()
        assert photo.get_attribute("src") == at_rest

        # Another branch: another picture and another map. Then another patch of it, with other bars of its parts.
        inside.locator(".js-plotly-plot .main-svg").first.wait_for()

        def looks():
            return [image.get_attribute("src") for image in inside.locator("img").all()]

        face = looks()
        inside.get_by_role("combobox", name="map").select_option(label="gradient of the score, global")
        inside.locator("figcaption", has_text="gradient of the score, global").wait_for()
        inside.locator("figcaption", has_text="what the model sees (global)").wait_for()
        whole, parts = looks(), drawing(inside, 1)
        inside.get_by_role("slider", name="view").focus()
        page.keyboard.press("End")
        inside.locator("p", has_text="view 6 of 6").first.wait_for()
        wait_for_change(inside, 1, parts)
        last = looks()
        assert [len(set(pictures)) for pictures in (face, whole, last)] == [2, 2, 2]
        assert len({*face, *whole, *last}) == 6
        shot(inside, tmp_path, "attention_viewer")
        cells = cells_of(page)
    assert cells == [("code", cell) for cell in VIEWERS]
    assert trouble == []
