"""The two HTML components with a synchronised zoom: side-by-side comparison and blind voting."""

from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent

STAGE = """<div class="pq-stage">
<figure><div class="pq-frame"><img alt="Photo A" draggable="false"></div><figcaption>A</figcaption></figure>
<figure><div class="pq-frame"><img alt="Photo B" draggable="false"></div><figcaption>B</figcaption></figure>
</div>"""
ZOOM = """<button type="button" class="pq-button pq-in" aria-label="Zoom in">+</button>
<button type="button" class="pq-button pq-out" aria-label="Zoom out">−</button>
<button type="button" class="pq-button pq-whole">Whole photo</button>"""
LEGEND = (
    "<kbd>+</kbd> <kbd>−</kbd> or scroll: zoom both · drag or <kbd>Shift</kbd>+arrows: move · <kbd>z</kbd> close-up"
)

COMPARE = f"""<div class="pq-booth" role="group" tabindex="0" aria-label="Two photos side by side. Left and right arrow
change the right photo, plus and minus zoom both, shift and arrows move both, z is the close-up.">
<div class="pq-bar"><label>Left <select></select></label>
<button type="button" class="pq-button pq-swap" aria-label="Swap the photos">⇄</button>
<label>Right <select></select></label></div>
{STAGE}
<div class="pq-bar">{ZOOM}</div>
<p class="pq-legend"><kbd>←</kbd> <kbd>→</kbd> next photo on the right · {LEGEND}</p></div>"""

VOTE = f"""<div class="pq-booth" role="group" tabindex="0" aria-label="Blind vote on two photos. Left arrow or 1: A is
better; right arrow or 2: B is better; space or 0: equal; s: later; u: undo; z: close-up.">
<p class="pq-question">Which photo is better?</p>
{STAGE}
<div class="pq-votes"><button type="button" class="pq-button" data-answer="first">A is better</button>
<button type="button" class="pq-button" data-answer="tie">Equal</button>
<button type="button" class="pq-button" data-answer="second">B is better</button></div>
<div class="pq-bar"><button type="button" class="pq-button" data-answer="skip">Later</button>
<button type="button" class="pq-button" data-answer="undo">Undo</button>{ZOOM}
<progress aria-label="Votes given"></progress><span class="pq-count"></span></div>
<p class="pq-status" role="status" aria-live="polite"></p>
<p class="pq-legend"><kbd>←</kbd> A · <kbd>→</kbd> B · <kbd>space</kbd> equal · <kbd>s</kbd> later · <kbd>u</kbd> undo ·
{LEGEND}</p></div>"""

PICK = """element.addEventListener("click", (event) => {
  const card = event.target.closest("[data-pick]");
  if (card) trigger("pick", { index: Number(card.dataset.pick) });
});"""

SAVE = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ask]");
  if (button) trigger("ask", { what: button.dataset.ask });
});
watch("value", () => {
  const { text, name } = props.value || {};
  if (!text) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: name.endsWith(".csv") ? "text/csv" : "text/html" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});"""


def _script(name: str) -> str:
    return (HERE / "stage.js").read_text("utf-8") + (HERE / name).read_text("utf-8")


def compare_booth() -> gr.HTML:
    """Value: ``{"photos": [{"label", "src"}]}``."""
    return gr.HTML({}, html_template=COMPARE, js_on_load=_script("compare.js"), elem_id="compare", label="compare")


def vote_booth() -> gr.HTML:
    """Value: ``{"turn", "left", "right", "done", "goal", "status"}``; event ``vote`` with ``answer`` and ``turn``."""
    return gr.HTML({}, html_template=VOTE, js_on_load=_script("vote.js"), elem_id="vote", label="vote", visible=False)


def strip_cards() -> gr.HTML:
    """Value: the strip's HTML; event ``pick`` with ``index``."""
    return gr.HTML(js_on_load=PICK, elem_id="strip", label="best first")


def downloads(**files: str) -> gr.HTML:
    """Buttons ``id="words on it"``; event ``ask`` with ``what`` = the id. Value: ``{"text", "name", "made"}``.

    The browser saves the text: nothing lies on the server's disk, and no link expires. A value that differs in nothing
    would not reach the page, hence the time in ``made``.
    """
    buttons = "".join(
        f'<button type="button" class="pq-button" id="{what}" data-ask="{what}">{words}</button>'
        for what, words in files.items()
    )
    return gr.HTML({}, html_template=f'<div class="pq-bar">{buttons}</div>', js_on_load=SAVE, label="downloads")
