"""What a lesson calls: ``setup`` at its top, ``check`` at its exercises, ``photos`` and ``drawing`` to show pictures.

And ``copy_lessons``, with which `pqa-lab lab` gives a reader a copy of their own. How a lesson is written and built:
notebooks/build.py.
"""

import base64
import html
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from pqa_lab.errors import InputError
from pqa_lab.shipped import shipped


def copy_lessons(folder: Path) -> Path:
    """Copy the lessons, their solutions and the pages beside them to ``folder``; return the first lesson.

    A file that is there already is the reader's and stays.
    """
    home = shipped("notebooks")
    lessons = sorted(home.glob("[0-9][0-9]_*.ipynb"))
    if not lessons:
        raise InputError("The lessons are missing from this installation; reinstall pqa-lab.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the lessons.")
    for file in [*lessons, *sorted(home.glob("solutions/*.ipynb")), *sorted(home.glob("*.md"))]:
        target = folder / file.relative_to(home)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return folder / lessons[0].name


@dataclass
class Lesson:
    """One run of a lesson: ``fast`` is the short setting, asked for with ``PQA_LAB_FAST=1``."""

    seed: int
    fast: bool
    started: float = field(default_factory=time.monotonic)

    def pick(self, full: Any, fast: Any) -> Any:
        """``full``, or ``fast`` in the short setting: a number of scenes, epochs, draws."""
        return fast if self.fast else full

    def done(self) -> None:
        """Say that the last cell ran, and what the lesson took."""
        seconds, memory = time.monotonic() - self.started, peak_memory()
        told = "" if memory is None else f" and {memory:.1f} GB of memory at most"
        print(f"The last cell ran: {seconds:.0f} s since the first{told}.")


def setup(seed: int = 0, torch: bool = False) -> Lesson:
    """Fix the seeds and say what runs here: versions, seed, setting.

    Parameters
    ----------
    seed : int
        Of Python's and numpy's global generators, and of torch's.
    torch : bool
        Whether the lesson uses torch; a lesson that does not starts two seconds earlier.
    """
    lesson = Lesson(seed, os.environ.get("PQA_LAB_FAST", "") not in ("", "0"))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002, for what readers try themselves; our own code takes a generator
    told = [f"pqa-lab {version_of('pqa-lab')}", f"Python {sys.version.split()[0]}", f"numpy {np.__version__}"]
    if torch:
        import torch as torch_

        torch_.manual_seed(seed)
        told.append(f"torch {torch_.__version__}")
    setting = "fast setting (PQA_LAB_FAST=1): smaller samples" if lesson.fast else "full setting"
    print(", ".join(told), f"seed {seed}; {setting}", sep="\n")
    return lesson


def version_of(package: str) -> str:
    """Version of an installed package; "from a clone" where it is only on the path."""
    try:
        return version(package)
    except Exception:
        return "from a clone"


def peak_memory() -> float | None:
    """Largest resident size of this process so far, in GB; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would report the parent's peak for a process that was forked by a large one.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 2**20
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30  # macOS counts bytes


class _Unanswered(Exception):
    """An exercise still holds its stub."""


@contextmanager
def check(exercise: int) -> Iterator[None]:
    """Check an exercise: ``with check(1): near(chance(1), 0.75, "the chance at 1 JOD")``.

    Prints "right", "not answered yet", or what is wrong. It never raises, so that an exercise left open does not stop
    the cells after it. Inside, use `near`, `same`, or ``assert condition, "what is wrong, in a sentence"``.
    """
    try:
        yield
    except _Unanswered:
        told = "not answered yet."
    except AssertionError as error:
        told = f"not yet. {error or 'Something does not hold; look at the text again.'}"
    except Exception as error:
        told = f"not yet. Your code stopped with {type(error).__name__}: {error}"
    else:
        told = "right."
    print(f"Exercise {exercise}: {told.rstrip()}")


def near(answer: Any, expected: Any, what: str, tolerance: float = 0.01, hint: str = "") -> None:
    """Fail, saying how, unless numbers agree with those expected.

    Parameters
    ----------
    answer, expected : float or array
    what : str
        The name of the thing, to begin a sentence with: "the chance at 1 JOD".
    tolerance : float
        Largest absolute difference.
    hint : str
        Said after a wrong answer.
    """
    _answered(answer)
    try:
        got = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise AssertionError(f"{what} should be a number or numbers, not {type(answer).__name__}. {hint}") from None
    want = np.asarray(expected, dtype=float)
    if got.shape != want.shape:
        raise AssertionError(f"{what} should have the shape {want.shape}, not {got.shape}. {hint}")
    wrong = ~(np.abs(got - want) <= tolerance)  # NaN is wrong, too
    if not wrong.any():
        return
    if got.ndim == 0:
        told = f"{what} should be {want:.4g}, yours is {got:.4g}."
    else:
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = place[0] if len(place) == 1 else place
        told = f"{what} differs in {wrong.sum()} of {wrong.size} places: at {where} it should be {want[place]:.4g}, "
        told += f"yours is {got[place]:.4g}."
    if np.allclose(got, -want, rtol=0, atol=tolerance):
        told += " Yours has the opposite sign."
    raise AssertionError(f"{told} {hint}".rstrip())


def same(answer: Any, expected: Any, what: str, hint: str = "") -> None:
    """Fail, saying how, unless ``answer == expected``: names, orders, yes or no."""
    _answered(answer)
    if answer != expected:
        raise AssertionError(f"{what} should not be {answer!r}. {hint}".rstrip())


def _answered(answer: Any) -> None:
    if answer is None or answer is ...:
        raise _Unanswered


@dataclass
class Picture:
    """Something to look at, with words for those who cannot: the last expression of a cell displays it."""

    page: str  # HTML, where a notebook runs
    still: dict[str, str]  # one MIME type of a picture, for viewers of a stored notebook
    alt: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.page, **self.still, "text/plain": f"Picture. {self.alt}"}


def photos(images: Sequence[Any], captions: Sequence[str], alt: str, height: int = 180, columns: int = 6) -> Picture:
    """Photos side by side, each with its caption.

    Parameters
    ----------
    images : sequence of array (H, W, 3) uint8 | path | PIL image
    captions : sequence of str
    alt : str
        What there is to see, in a sentence or two.
    height : int
        Of every photo, pixels.
    columns : int
        Photos a row.
    """
    from PIL import Image, ImageDraw, ImageFont

    from pqa_lab.scenes.photo import load_photo

    if len(images) != len(captions):
        raise InputError(f"{len(images)} photos need as many captions, not {len(captions)}.")
    small = [Image.fromarray(load_photo(image)) for image in images]
    small = [photo.resize((max(1, round(photo.width * height / photo.height)), height)) for photo in small]
    boxes = "".join(
        f'<figure style="margin:0 8px 8px 0;display:inline-block"><img height="{height}" alt="{html.escape(words)}" '
        f'src="data:image/jpeg;base64,{_jpeg(photo)}"><figcaption>{html.escape(words)}</figcaption></figure>'
        for photo, words in zip(small, captions, strict=True)
    )
    cell, foot = max(photo.width for photo in small) + 8, 20
    sheet = Image.new("RGB", (cell * min(columns, len(small)), (height + foot) * -(-len(small) // columns)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for k, (photo, words) in enumerate(zip(small, captions, strict=True)):
        left, top = k % columns * cell, k // columns * (height + foot)
        sheet.paste(photo, (left, top))
        draw.text((left, top + height + 2), words, fill="black", font=font)
    page = f'<div role="group" aria-label="{html.escape(alt)}">{boxes}</div>'
    return Picture(page, {"image/jpeg": _jpeg(sheet, 80)}, alt)


def drawing(svg: str, alt: str) -> Picture:
    """A drawing given as the text of an SVG: an architecture, a sketch. ``alt`` says what it shows."""
    page = f'<figure role="img" aria-label="{html.escape(alt)}" style="margin:0;max-width:100%">{svg}</figure>'
    return Picture(page, {"image/svg+xml": svg}, alt)


def _jpeg(image: Any, quality: int = 90) -> str:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return base64.b64encode(out.getvalue()).decode()
