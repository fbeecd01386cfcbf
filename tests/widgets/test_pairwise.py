"""The annotator and the buttons from Python's side: what is sent, what an answer does, what stays hidden."""

import subprocess
import sys

import ipywidgets
import pytest
from PIL import Image

from pqa_lab.scaling.session import PairSession
from pqa_lab.widgets import PairAnnotator, PairButtons, annotate
from pqa_lab.widgets.pairwise import jpeg

RESERVED = {"keys", "comm", "open", "close", "send", "log", "layout", "tooltip"}


def from_browser(widget, action, turn=None):
    """The message that JupyterLab sends when the front end sets the trait."""
    answer = {"action": action, "turn": widget.turn if turn is None else turn, "after": widget.replies}
    content = {"data": {"method": "update", "state": {"answer": answer}, "buffer_paths": []}}
    widget._handle_msg({"content": content, "buffers": []})


def test_importing_the_room_loads_no_widget_library():
    code = "import sys, pqa_lab.widgets; print(any(m in sys.modules for m in ('ipywidgets', 'anywidget', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_no_trait_takes_a_name_that_breaks_the_browser():
    ours = set(PairAnnotator.class_trait_names(sync=True)) - set(ipywidgets.DOMWidget.class_trait_names(sync=True))
    assert "answer" in ours
    assert not ours & RESERVED


def test_answers_become_votes_in_the_store(photos, session):
    widget = PairAnnotator(photos, session)
    first = session.current
    from_browser(widget, "first")
    assert session.votes()[["first", "second", "preferred", "observer"]].to_numpy().tolist() == [
        [first.first, first.second, "first", "ada"]
    ]
    assert (widget.done, widget.goal, widget.replies) == (1, 10, 1)
    assert widget.turn == session.current.turn
    assert widget.left == jpeg(photos[session.current.first])
    assert "saved" in widget.status
    from_browser(widget, "undo")
    assert widget.done == 0
    assert widget.left == jpeg(photos[first.first])
    from_browser(widget, "skip")
    assert widget.done == 0
    assert widget.turn != first.turn
    while widget.turn:
        from_browser(widget, "tie")
    assert widget.done == 10
    assert widget.left == b""
    assert "thank you" in widget.status


def test_a_late_answer_is_not_counted_but_answered(photos, session):
    widget = PairAnnotator(photos, session)
    turn = widget.turn
    from_browser(widget, "first", turn)
    from_browser(widget, "second", turn)
    assert widget.done == 1
    assert widget.replies == 2
    assert "not counted" in widget.status


def test_nothing_that_reaches_the_browser_names_a_photo(photos, session):
    widget = PairAnnotator(photos, session)
    for _ in range(9):  # enough to link all photos
        from_browser(widget, "first")
    state = {name: value for name, value in widget.get_state().items() if not name.startswith("_")}
    turn = state.pop("turn"), state.pop("answer")
    assert "phone" not in repr(state)
    assert "phone" not in repr(turn)
    for side in (widget.left, widget.right):
        assert b"Secret" not in side
        assert b"Exif" not in side
    assert {s["label"] for s in widget.scores} == {f"photo {k}" for k in range(1, 6)}
    names = PairAnnotator(photos, session, blind=False)
    assert {s["label"] for s in names.scores} == set(photos)


def test_photos_are_sent_at_a_sane_size(photos, session):
    big = Image.effect_noise((3000, 2000), 20).convert("RGB")
    from io import BytesIO

    sent = Image.open(BytesIO(jpeg(big)))
    assert max(sent.size) == 1280
    assert not sent.getexif()
    assert not PairAnnotator(photos, session, live=False).scores


def test_a_store_that_fails_is_said_and_not_swallowed(photos, session, monkeypatch, caplog):
    widget = PairAnnotator(photos, session)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(session, "answer", fail)
    from_browser(widget, "first")
    assert "disk full" in caplog.text
    assert widget.status == "Not saved: disk full"
    assert widget.replies == 1, "the browser may go on"
    assert widget.done == 0


def test_buttons_do_the_same(photos, session):
    widget = PairButtons(photos, session)
    assert widget.left.value == jpeg(photos[session.current.first], 640)
    widget.buttons["second"].click()
    assert session.votes().preferred.tolist() == ["second"]
    assert (widget.progress.value, widget.count.value) == (1, "1 of 10")
    widget.buttons["undo"].click()
    assert widget.progress.value == 0
    for done in range(10):
        assert not widget.buttons["first"].disabled
        widget.buttons["first"].click()
        assert session.done == done + 1
    assert widget.buttons["first"].disabled
    assert "photo 1" in widget.scores.value
    assert not widget.buttons["undo"].disabled


def test_annotate_resumes(photos, tmp_path):
    first = annotate(photos, tmp_path / "v.db", observer="ada", question="Which is sharper?", max_side=64)
    from_browser(first, "first")
    again = annotate(photos, tmp_path / "v.db", observer="ada", plain=True)
    assert again.progress.value == 1
    assert first.question == "Which is sharper?"


def test_a_photo_that_is_missing_is_said(photos, tmp_path):
    from pqa_lab.errors import InputError

    session = PairSession([*photos, "other.jpg"], tmp_path / "v.db")
    with pytest.raises(InputError, match=r"other\.jpg"):
        PairAnnotator(photos, session)
