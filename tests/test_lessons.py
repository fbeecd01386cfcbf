"""What a reader meets in a lesson: answers that are judged in words, pictures with words, a copy of their own."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pqa_lab.errors import InputError
from pqa_lab.lessons import check, copy_lessons, drawing, near, peak_memory, photos, same, setup


def said(capsys, judge) -> str:
    with check(3):
        judge()
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "judge, words",
    [
        (lambda: near(0.75, 0.75, "the chance"), "right."),
        (lambda: near([1, 2], np.array([1.0, 2.0]), "the JODs"), "right."),
        (lambda: near(..., 0.75, "the chance"), "not answered yet."),
        (lambda: near(None, 0.75, "the chance"), "not answered yet."),
        (lambda: same(..., "a", "winner"), "not answered yet."),
        (lambda: near(0.9, 0.75, "p", hint="Divide."), "not yet. p should be 0.75, yours is 0.9. Divide."),
        (lambda: near(-2, 2, "the gap"), "not yet. the gap should be 2, yours is -2. Yours has the opposite sign."),
        (lambda: near("x", 2, "the gap"), "not yet. the gap should be a number or numbers, not str."),
        (lambda: near(np.nan, 2, "the gap"), "not yet. the gap should be 2, yours is nan."),
        (lambda: near([1, 2], [1, 2, 3], "the JODs"), "not yet. the JODs should have the shape (3,), not (2,)."),
        (lambda: near([1, 5], [1, 2], "q"), "not yet. q differs in 1 of 2 places: at 1 it should be 2, yours is 5."),
        (lambda: same("b", "a", "winner"), "not yet. winner should not be 'b'."),
        (lambda: 1 / 0, "not yet. Your code stopped with ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_a_check_says_what_is_wrong_and_never_stops_the_notebook(capsys, judge, words):
    assert said(capsys, judge) == f"Exercise 3: {words}\n"


def test_a_check_stops_at_the_first_fault(capsys):
    def judge():
        near(1, 2, "this")
        near(3, 4, "that")

    assert "that" not in said(capsys, judge)


@pytest.mark.parametrize("value, fast", [("1", True), ("0", False), ("", False), (None, False)])
def test_setup_seeds_and_says_what_runs(monkeypatch, capsys, value, fast):
    monkeypatch.delenv("PQA_LAB_FAST", raising=False)
    if value is not None:
        monkeypatch.setenv("PQA_LAB_FAST", value)
    draws = []
    for _ in range(2):
        lesson = setup(seed=5, torch=True)
        import torch

        draws.append((np.random.random(), torch.rand(1).item()))  # noqa: NPY002
    assert draws[0] == draws[1]
    assert lesson.fast == fast
    assert lesson.pick(100, fast=3) == (3 if fast else 100)
    lesson.done()
    out = capsys.readouterr().out
    assert "seed 5" in out
    assert ("fast setting" in out) == fast
    assert out.split("\n")[-2].startswith("The last cell ran: 0 s since the first and ")


def test_peak_memory_sees_what_was_used():
    before = peak_memory()
    block = np.ones(40_000_000)  # 0.3 GB
    assert block.sum() > 0
    assert before > 0.05
    assert peak_memory() >= 0.3


def test_photos_carry_a_picture_and_words():
    images = [np.full((40, 30, 3), value, np.uint8) for value in (0, 128, 255)]
    bundle = photos(images, ["a", "b & c", "d"], alt="Three greys.", height=20, columns=2)._repr_mimebundle_()
    assert bundle["text/plain"] == "Picture. Three greys."
    assert bundle["text/html"].count("<img") == 3
    assert 'alt="b &amp; c"' in bundle["text/html"]
    sheet = Image.open(BytesIO(base64.b64decode(bundle["image/jpeg"])))
    assert sheet.size == (2 * (15 + 8), 2 * (20 + 20))
    assert np.asarray(sheet)[10, 7].max() < 20
    with pytest.raises(InputError, match="3 photos need as many captions"):
        photos(images, ["a"], alt="x")


def test_a_drawing_says_what_it_shows():
    bundle = drawing("<svg></svg>", "A box & an arrow.")._repr_mimebundle_()
    assert bundle["image/svg+xml"] == "<svg></svg>"
    assert 'aria-label="A box &amp; an arrow."' in bundle["text/html"]


def test_the_copy_is_the_readers_own(tmp_path):
    lesson = copy_lessons(tmp_path / "mine")
    assert lesson.name.startswith("00_")
    assert (tmp_path / "mine" / "solutions" / lesson.name).exists()
    lesson.write_text("my notes")
    assert copy_lessons(tmp_path / "mine").read_text() == "my notes"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        copy_lessons(tmp_path / "file")
