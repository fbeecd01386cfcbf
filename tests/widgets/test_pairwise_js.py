"""pairwise.js alone in a bare Chromium: a fake model, real keys, the real mouse."""

import base64
from pathlib import Path

import numpy as np
import pytest
from browser import chromium

from pqa_lab.widgets.pairwise import jpeg

pytestmark = pytest.mark.browser
WIDGETS = Path(__file__).parents[2] / "pqa_lab" / "widgets"

# A model as AFM describes it, with a Python that says yes: it counts the vote and shows the next turn.
PAGE = """
<!doctype html><html lang="en"><title>annotator</title><style>{css}</style>
<body><input id="before" aria-label="before"><div id="here"></div><input id="after" aria-label="after">
<script type="module">
const {{ default: widget }} = await import("data:text/javascript;base64,{js}");
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const state = {{ question: "Which is better?", turn: "0-a", left: bytes("{left}"), right: bytes("{right}"), done: 0,
  goal: 3, scores: [], live: true, status: "", answer: {{}}, replies: 0 }};
const listeners = new Set();
window.sent = []; window.leaked = []; window.hold = false;
window.reply = (changes) => {{
  Object.assign(state, changes, {{ replies: state.replies + 1 }});
  listeners.forEach((f) => f());
}};
const model = {{
  get: (name) => state[name], set: (name, value) => (state[name] = value),
  on: (event, f) => listeners.add(f), off: (event, f) => listeners.delete(f),
  save_changes: () => {{
    const {{ action }} = state.answer;
    window.sent.push(action);
    if (window.hold) return;
    const done = state.done + ({{ undo: -1, skip: 0 }}[action] ?? 1);
    const turn = done < 3 ? `${{window.sent.length}}-a` : "";
    const best = {{ label: "photo 2", jod: 0.8, low: 0.1, high: 1.5 }};
    const scores = [best, {{ label: "photo 1", jod: -0.8, low: -1.5, high: -0.1 }}];
    const next = {{ done, turn, status: `${{action}} saved`, left: state.right, right: state.left, scores }};
    setTimeout(() => window.reply(next));
  }},
}};
document.addEventListener("keydown", (event) => window.leaked.push(event.key));
window.cleanup = widget.render({{ model, el: document.querySelector("#here") }});
window.listeners = listeners;
window.ready = true;
</script></body></html>
"""


@pytest.fixture(scope="module")
def browser_page():
    with chromium(viewport={"width": 1100, "height": 900}) as page:
        page.set_default_timeout(10_000)
        yield page


@pytest.fixture
def page(browser_page):
    coded = [base64.b64encode(jpeg(np.full((120, 90, 3), grey, np.uint8))).decode() for grey in (60, 200)]
    js = base64.b64encode((WIDGETS / "pairwise.js").read_bytes()).decode()
    errors = []
    browser_page.on("pageerror", lambda error: errors.append(error))
    css = (WIDGETS / "pairwise.css").read_text()
    browser_page.set_content(PAGE.format(js=js, css=css, left=coded[0], right=coded[1]))
    browser_page.wait_for_function("window.ready")
    idle(browser_page)
    yield browser_page
    assert errors == []


def idle(page):
    page.wait_for_function("document.querySelector('.pqa-pair').getAttribute('aria-busy') === 'false'")


def focus(page):
    page.locator(".pqa-pair").focus()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
        idle(page)


@pytest.mark.parametrize(
    "key, action",
    [("1", "first"), ("ArrowLeft", "first"), ("2", "second"), ("ArrowRight", "second"), ("0", "tie"), ("=", "tie"),
     ("s", "skip")],
)  # fmt: skip
def test_each_key_is_its_answer(page, key, action):
    focus(page)
    press(page, key)
    assert page.evaluate("sent") == [action]
    assert page.locator(".pqa-status").inner_text() == f"{action} saved"


def test_handled_keys_stay_inside_and_others_pass(page):
    focus(page)
    press(page, "u", "1", "2", "u", "?", "+", "-", "z", "=", "Shift+ArrowLeft")
    assert page.evaluate("sent") == ["first", "second", "undo", "tie"], "u before the first vote has nothing to undo"
    assert set(page.evaluate("leaked")) <= {"Shift"}
    press(page, "a", "b", "x", "m", "Escape", "Control+z")
    assert page.evaluate("sent.length") == 4
    assert {"a", "x", "Escape"} <= set(page.evaluate("leaked"))
    assert page.locator(".pqa-pair").get_attribute("data-lm-suppress-shortcuts") == "true"


def test_the_finished_session_keeps_the_focus_and_the_keys(page):
    focus(page)
    press(page, "1", "2", "0")
    assert "Finished" in page.locator(".pqa-question").inner_text()
    assert page.locator(".pqa-count").inner_text() == "3 of 3 votes"
    press(page, "1", "x")
    assert page.evaluate("sent.length") == 3
    assert "1" not in page.evaluate("leaked")
    assert page.evaluate("document.querySelector('.pqa-pair').contains(document.activeElement)")
    press(page, "u")
    assert page.evaluate("sent").pop() == "undo"
    assert page.locator(".pqa-count").inner_text() == "2 of 3 votes"


def test_a_key_held_down_or_hammered_is_one_answer(page):
    focus(page)
    page.evaluate("window.hold = true")
    for _ in range(5):
        page.keyboard.down("1")  # repeats after the first
    page.keyboard.up("1")
    page.keyboard.press("2")
    page.locator("button", has_text="Equal").click(force=True)
    assert page.evaluate("sent") == ["first"]
    assert page.locator(".pqa-status").inner_text() == "Saving …"
    page.evaluate("reply({status: 'Not saved: disk full'})")  # the same turn again
    idle(page)
    page.evaluate("window.hold = false")
    press(page, "2")
    assert page.evaluate("sent") == ["first", "second"]


def test_the_mouse_does_what_the_keys_do(page):
    for name, action in [("A is better", "first"), ("Equal", "tie"), ("Undo", "undo"), ("Later", "skip")]:
        page.get_by_role("button", name=name).click()
        idle(page)
        assert page.evaluate("sent").pop() == action


def test_zoom_and_pan_move_both_photos_alike_and_survive_a_vote(page):
    def transforms():
        return page.evaluate("[...document.querySelectorAll('.pqa-frame img')].map((i) => i.style.transform)")

    frame = page.locator(".pqa-frame").first.bounding_box()
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.move(*middle)
    page.locator("#before").focus()
    page.mouse.wheel(0, -400)
    assert transforms() == ["", ""], "a page that is scrolled past must not zoom"
    page.mouse.click(*middle)
    page.mouse.wheel(0, -400)
    page.wait_for_function("document.querySelector('.pqa-frame img').style.transform.includes('scale(2.')")
    zoomed = transforms()
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 30)
    page.mouse.up()
    moved = transforms()
    assert moved[0] == moved[1] != zoomed[0]
    press(page, "1")
    assert transforms() == moved
    press(page, "z")
    assert "scale(1)" in transforms()[1]
    press(page, "-", "+", "+")
    assert "scale(2.25)" in transforms()[0]
    assert page.evaluate("sent") == ["first"], "zooming is no vote"


def test_what_is_seen_is_also_said(page):
    focus(page)
    group = page.get_by_role("group", name="Pair comparison. Press 1")
    assert group.count() == 1
    press(page, "?")
    assert page.locator(".pqa-help").is_visible()
    assert page.get_by_role("button", name="Keys").get_attribute("aria-expanded") == "true"
    press(page, "?", "1")
    assert page.locator(".pqa-status").get_attribute("aria-live") == "polite"
    assert "best is photo 2 with +0.80" in page.get_by_role("img", name="JODs so far").get_attribute("aria-label")
    page.locator(".pqa-plot summary").click()
    rows = page.locator(".pqa-plot tbody tr").all_inner_texts()
    assert [row.split() for row in rows] == [
        ["photo", "2", "+0.80", "+0.10", "to", "+1.50"],
        ["photo", "1", "−0.80", "−1.50", "to", "−0.10"],
    ]
    assert page.locator(".pqa-frame img").first.get_attribute("alt") == "Photo A"
    assert page.locator(".pqa-pair progress").get_attribute("aria-label") == "Votes given"


def test_the_keyboard_gets_in_and_out_and_the_focus_shows(page):
    page.locator("#before").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "pqa-pair"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "after":
            break
    assert page.evaluate("document.activeElement.id") == "after"


def test_a_phone_wide_page_does_not_scroll_sideways(page):
    page.set_viewport_size({"width": 390, "height": 800})
    try:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.set_viewport_size({"width": 1100, "height": 900})


def test_cleaning_up_leaves_no_listener(page):
    assert page.evaluate("listeners.size") == 1
    page.evaluate("cleanup()")
    assert page.evaluate("listeners.size") == 0
