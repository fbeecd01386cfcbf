"""Two photos side by side, one vote at a time: an anywidget annotator and a plain ipywidgets fallback.

Both are faces over one `PairSession`: it decides what to show, and a vote is on the disk before the next pair appears.
What the browser gets is blind: freshly encoded JPEG bytes without metadata, no file names, left and right by lot.
"""

import html
import random
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from pqa_lab.errors import InputError
from pqa_lab.scaling.session import PairSession

QUESTION = "Which portrait has the better quality?"
MAX_SIDE = 1280  # pixels sent to the browser: enough to zoom in, about 0.4 MB a photo
ACTIONS = {"first": "A", "second": "B", "tie": "equal"}


def jpeg(source: Any, max_side: int = MAX_SIDE) -> bytes:
    """A photo as JPEG bytes without any metadata.

    Parameters
    ----------
    source : path, bytes, file object, PIL image or array
        See `pqa_lab.scenes.photo.load_photo`.
    max_side : int
        Longest side in pixels.
    """
    from PIL import Image

    from pqa_lab.scenes.photo import load_photo

    out = BytesIO()
    # Full chroma and a high quality, so that what is judged is the photo and not this copy.
    Image.fromarray(load_photo(source, max_side=max_side)).save(out, "JPEG", quality=92, subsampling=0)
    return out.getvalue()


class _Booth:
    """What both faces share: photos, words, and the scores to draw. No widget in it."""

    def __init__(self, photos: Mapping[str, Any], session: PairSession, max_side: int, live: bool, blind: bool):
        self.session, self.live = session, live
        self.photos = {str(name): source for name, source in photos.items()}
        missing = [name for name in session.images if name not in self.photos]
        if missing:
            raise InputError(f"There is no photo for image {missing[0]!r} of the session.")
        # Cached, since the neighbours in quality come up again and again.
        self.jpeg = lru_cache(maxsize=64)(lambda name: jpeg(self.photos[name], max_side))
        numbers = list(range(1, len(session.images) + 1))
        random.Random(session.scene).shuffle(numbers)  # the order of the files may give the phones away
        self.labels = {
            name: f"photo {number}" if blind else name for name, number in zip(session.images, numbers, strict=True)
        }

    def state(self) -> dict[str, Any]:
        """What to show now, by trait name."""
        pair = self.session.current
        return {
            "turn": pair.turn if pair else "",
            "left": self.jpeg(pair.first) if pair else b"",
            "right": self.jpeg(pair.second) if pair else b"",
            "done": self.session.done,
            "goal": self.session.goal,
            "scores": self.scores() if self.live else [],
        }

    def act(self, action: str, turn: str) -> str:
        """Carry out an answer, "undo" or "skip"; returns what happened, in words."""
        if action == "undo":
            return "Vote taken back." if self.session.undo() else "There is no vote to take back."
        if action == "skip":
            return "Left for later." if self.session.skip(turn) else "That pair is over."
        if not self.session.answer(action, turn):
            return "That pair is over; the answer was not counted."
        finished = " That was the last pair, thank you." if self.session.current is None else ""
        return f"Vote {self.session.done} saved: {ACTIONS[action]}.{finished}"

    def scores(self) -> list[dict[str, Any]]:
        """Label, JOD and interval of every image, best first; empty until the votes link the images into one scale."""
        try:
            scale = self.session.scale()
        except InputError:
            return []
        if scale is None:
            return []
        table = scale.table.dropna(subset=["jod", "ci_low", "ci_high"]).sort_values("jod", ascending=False)
        return [
            {"label": self.labels[str(row.image)], "jod": row.jod, "low": row.ci_low, "high": row.ci_high}
            for row in table.itertuples()
        ]


class PairAnnotator(anywidget.AnyWidget):
    """The annotator: photos with synchronised zoom, keys and mouse, progress, and the JODs so far.

    Keys, while the annotator has the focus: 1 or left arrow, 2 or right arrow, 0 or = for a tie, s for later, u to
    undo, + and - to zoom, shift with arrows to move, ? for help.

    Parameters
    ----------
    photos : mapping of image name -> path, bytes, PIL image or array
    session : PairSession
    question : str
    max_side : int
        Longest side of the photos sent to the browser, pixels.
    live : bool
        Show the JODs so far. Voters can be swayed by them: turn it off when the votes are meant for a study.
    blind : bool
        Call the photos by number instead of by name in the live plot.
    """

    _esm = Path(__file__).parent / "pairwise.js"
    _css = Path(__file__).parent / "pairwise.css"

    question = traitlets.Unicode(QUESTION).tag(sync=True)
    turn = traitlets.Unicode("").tag(sync=True)  # "" when there is nothing left to show
    left = traitlets.Bytes(b"").tag(sync=True)
    right = traitlets.Bytes(b"").tag(sync=True)
    done = traitlets.Int(0).tag(sync=True)
    goal = traitlets.Int(0).tag(sync=True)
    scores = traitlets.List([]).tag(sync=True)
    live = traitlets.Bool(True).tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)
    answer = traitlets.Dict({}).tag(sync=True)  # from the browser: {"action", "turn", "after"}
    replies = traitlets.Int(0).tag(sync=True)  # answers dealt with, so that the browser knows it may go on

    def __init__(
        self,
        photos: Mapping[str, Any],
        session: PairSession,
        *,
        question: str = QUESTION,
        max_side: int = MAX_SIDE,
        live: bool = True,
        blind: bool = True,
    ):
        self.session = session
        self._booth = _Booth(photos, session, max_side, live, blind)
        super().__init__(question=question, live=live, **self._booth.state())
        self.observe(self._on_answer, names=["answer"])

    def _on_answer(self, change) -> None:
        action, turn = change["new"].get("action"), change["new"].get("turn")
        # An exception in here would vanish and leave the voter waiting: say it, then let it go its way.
        try:
            status, state = self._booth.act(action, turn), self._booth.state()
        except Exception as error:
            status, state = f"Not saved: {error}", {}
            raise
        finally:
            with self.hold_sync():
                for name, value in state.items():
                    setattr(self, name, value)
                self.status = status
                self.replies += 1

    def __repr__(self) -> str:
        return f"PairAnnotator: {self.done} of {self.goal} votes. Run the notebook in JupyterLab to vote."


class PairButtons(ipywidgets.VBox):
    """The same session with plain buttons, for places that run no custom JavaScript. Parameters as `PairAnnotator`."""

    def __init__(
        self,
        photos: Mapping[str, Any],
        session: PairSession,
        *,
        question: str = QUESTION,
        max_side: int = 640,
        live: bool = True,
        blind: bool = True,
    ):
        self.session = session
        self._booth = _Booth(photos, session, max_side, live, blind)
        fit = ipywidgets.Layout(width="100%", height="400px", object_fit="contain")
        half = ipywidgets.Layout(width="50%", align_items="center")
        self.left, self.right = (ipywidgets.Image(format="jpeg", alt=f"Photo {x}", layout=fit) for x in "AB")
        frames = [
            ipywidgets.VBox([image, ipywidgets.HTML(f"<b>{x}</b>")], layout=half)
            for image, x in ((self.left, "A"), (self.right, "B"))
        ]
        words = {"first": "A is better", "tie": "Equal", "second": "B is better", "skip": "Later", "undo": "Undo"}
        self.buttons = {action: ipywidgets.Button(description=text) for action, text in words.items()}
        for action, button in self.buttons.items():
            button.on_click(lambda _, action=action: self._act(action))
        self.progress = ipywidgets.IntProgress(description="Votes")
        self.count, self.status = ipywidgets.Label(), ipywidgets.Label()
        self.scores = ipywidgets.HTML()
        super().__init__(
            [
                ipywidgets.HTML(f"<b>{html.escape(question)}</b>"),
                ipywidgets.HBox(frames),
                ipywidgets.HBox(list(self.buttons.values())),
                ipywidgets.HBox([self.progress, self.count]),
                self.status,
                self.scores,
            ]
        )
        self._show()

    def _act(self, action: str) -> None:
        try:
            self.status.value = self._booth.act(action, self._turn)
        except Exception as error:
            self.status.value = f"Not saved: {error}"
            raise
        self._show()

    def _show(self) -> None:
        state = self._booth.state()
        self._turn = state["turn"]
        self.left.value, self.right.value = state["left"], state["right"]
        for action, button in self.buttons.items():
            button.disabled = not self._turn and action != "undo"
        self.progress.max, self.progress.value = max(state["goal"], 1), state["done"]
        self.count.value = f"{state['done']} of {state['goal']}"
        self.scores.value = _score_table(state["scores"])


def _score_table(scores: list[dict[str, Any]]) -> str:
    if not scores:
        return ""
    cells = [(html.escape(s["label"]), f"{s['jod']:+.2f}", f"{s['low']:+.2f} to {s['high']:+.2f}") for s in scores]
    rows = "".join(f"<tr><td>{label}</td><td>{jod}</td><td>{interval}</td></tr>" for label, jod, interval in cells)
    return (
        f"<table><caption>JODs so far</caption><tr><th>photo</th><th>JOD</th><th>95 % interval</th></tr>{rows}</table>"
    )


def annotate(photos: Mapping[str, Any], store: Any = "votes.db", *, plain: bool = False, **options: Any):
    """Start, or go on with, a voting session: `annotate({"a": "a.jpg", "b": "b.jpg"}, observer="Ada")`. Lesson 01.

    Parameters
    ----------
    photos : mapping of image name -> path, bytes, PIL image or array
    store : VoteStore or path
        Where the votes are kept.
    plain : bool
        Buttons only.
    **options
        question, max_side, live and blind go to the widget, everything else to `PairSession`.

    Returns
    -------
    PairAnnotator or PairButtons
    """
    face = {name: options.pop(name) for name in ("question", "max_side", "live", "blind") if name in options}
    session = PairSession(list(photos), store, **options)
    return (PairButtons if plain else PairAnnotator)(photos, session, **face)
