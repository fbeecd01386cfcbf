"""From uploaded files to what the page shows: the ranking, a closer look at one photo, the table, the report."""

import html
import io
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pqa_lab.errors import InputError
from pqa_lab.looks import part_maps
from pqa_lab.ranking import Ranking, rank
from pqa_lab.reasons import ASPECTS
from pqa_lab.report import data_uri, ranking_report, win_html
from pqa_lab.scenes.photo import BadPhoto, load_photo

try:  # on a ZeroGPU Space the ranking runs where the GPU is; anywhere else the decorator is not there
    import spaces

    on_gpu = spaces.GPU(duration=60)
except ImportError:

    def on_gpu(function):
        return function


MAX_PHOTOS = 20
KEEP_SECONDS = 600
SHELF_BYTES = 256 * 2**20
COMPARE_SIDE = 1280
NO_PREVIEW = (".heic", ".heif", ".tif", ".tiff")  # browsers do not show them
PARTS = {
    "exposure": ("Exposure of the face", "stops below white"),
    "noise": ("Noise", "grey levels"),
    "grain": ("Colour noise", "grey levels"),
    "edge": ("Edges", "0.5 blurred, 2 over-sharpened"),
    "texture": ("Fine texture", "log2 of detail over brightness"),
    "blocks": ("Compression blocks", "0 none"),
    "clipped": ("Burnt highlights", "share of pixels"),
    "crushed": ("Drowned shadows", "share of pixels"),
    "contrast": ("Contrast", "log2 of spread over mean"),
    "veil": ("Haze", "luminance of the shadows"),
    "warmth": ("Warmth", "b* of the face"),
    "green": ("Green or pink", "−a* of the face"),
}


@dataclass
class Kept:
    """A ranking without its pixels, and the photos as JPEG files, best first."""

    ranking: Ranking
    jpegs: list[bytes]
    born: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        return sum(map(len, self.jpegs))

    def photo(self, place: int) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.jpegs[place])))

    def whole(self) -> Ranking:
        """The ranking with its pixels."""
        photos = [replace(photo, image=self.photo(i)) for i, photo in enumerate(self.ranking.photos)]
        return replace(self.ranking, photos=photos)


class Shelf:
    """What each session has ranked last, in memory only: bounded in bytes and in time, by session."""

    def __init__(self, limit: int = SHELF_BYTES, age: float = KEEP_SECONDS):
        self.limit, self.age = limit, age
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, session: str, kept: Kept) -> None:
        with self._lock:
            self._kept.pop(session, None)
            self._kept[session] = kept
            self._expire()
            while len(self._kept) > 1 and sum(k.size for k in self._kept.values()) > self.limit:
                self._kept.popitem(last=False)

    def get(self, session: str | None) -> Kept:
        with self._lock:
            self._expire()
            if session not in self._kept:
                raise InputError("These photos are no longer on the server (they are kept for 10 minutes): rank again.")
            return self._kept[session]

    def drop(self, session: str | None) -> None:
        with self._lock:
            self._kept.pop(session, None)

    def expire(self) -> None:
        with self._lock:
            self._expire()

    def _expire(self) -> None:
        for session in [s for s, k in self._kept.items() if time.monotonic() - k.born > self.age]:
            del self._kept[session]


def unique_names(gallery: list[tuple[str, str | None]]) -> list[str]:
    """File names without folders; a name that comes again is numbered."""
    names: list[str] = []
    for path, caption in gallery:
        name = Path(str(caption or path).replace("\\", "/")).name or "photo"
        number = 1
        while (numbered := name if number == 1 else f"{name} ({number})") in names:
            number += 1
        names.append(numbered)
    return names


@on_gpu
def rank_files(gallery: list[tuple[str, str | None]] | None, model: str) -> Ranking:
    """Rank uploaded files; ``model`` is a folder or "default"."""
    count = len(gallery or [])
    if not 2 <= count <= MAX_PHOTOS:
        raise InputError(f"Please give 2 to {MAX_PHOTOS} photos of one scene; there are {count}.")
    return rank([path for path, _ in gallery], model=model, names=unique_names(gallery))


def keep(ranking: Ranking) -> Kept:
    """Pixels to JPEG (made from arrays, so no metadata can follow)."""
    jpegs = []
    for photo in ranking.photos:
        buffer = io.BytesIO()
        Image.fromarray(photo.image).save(buffer, "JPEG", quality=93, subsampling=0)
        jpegs.append(buffer.getvalue())
    return Kept(replace(ranking, photos=[replace(photo, image=None) for photo in ranking.photos]), jpegs)


def showable(gallery: list[tuple[str, str | None]] | None) -> list[tuple[str, str | None]]:
    """Files that browsers do not show, replaced by JPEG copies at the size at which photos are judged.

    A file that cannot be read stays: the ranking will name it.
    """
    shown = []
    for path, caption in gallery or []:
        if Path(path).suffix.lower() in NO_PREVIEW:
            try:
                copy = Path(path).with_suffix(".preview.jpg")
                Image.fromarray(load_photo(path, max_side=1536)).save(copy, "JPEG", quality=97, subsampling=0)
                caption, path = caption or Path(path).name, str(copy)
            except BadPhoto:
                pass
        shown.append((path, caption))
    return shown


def name_of(kept: Kept, place: int) -> str:
    photo = kept.ranking.photos[place]
    return f"#{photo.rank} {Path(photo.path).name}"


def verdict(ranking: Ranking, gallery: list[tuple[str, str | None]]) -> str:
    """The answer in one sentence, then what was left out and what is there twice."""
    best, name = ranking.photos[0], lambda i: html.escape(Path(ranking.photos[i].path).name)
    close = next((group for group in ranking.ties if 0 in group), None)
    if close:
        others = ", ".join(name(i) for i in close if i)
        said = f"<b>{name(0)}</b> is first, but too close to call against {others}."
    else:
        said = f"<b>{name(0)}</b> is best: {ranking.win[0, 1]:.0%} of viewers are expected to prefer it to the next."
    notes = [f"Why: {html.escape(best.reason)} (against the middle of the others)."]
    notes += [f"Left out: {html.escape(lost)}: {html.escape(why)}" for lost, why in ranking.left_out]
    paths = [path for path, _ in gallery]
    twice = {Path(path).name for path in paths if paths.count(path) > 1}
    notes += [f"The same file is there more than once: {html.escape(n)}." for n in sorted(twice)]
    return f'<div id="verdict">{said}{"".join(f"<small>{note}</small>" for note in notes)}</div>'


def compare_value(kept: Kept) -> dict[str, Any]:
    photos = [
        {"label": f"{name_of(kept, i)} ({photo.score:+.2f})", "src": data_uri(kept.photo(i), COMPARE_SIDE, 90)}
        for i, photo in enumerate(kept.ranking.photos)
    ]
    return {"photos": photos}


def numbers(ranking: Ranking) -> str:
    """Chances of winning and the table, as accessible tables."""
    rows = []
    for i, photo in enumerate(ranking.photos):
        beats = f"{ranking.win[i, i + 1]:.0%}" if i + 1 < len(ranking.photos) else "–"
        close = "yes" if any(i in group for group in ranking.ties) else ""
        rows.append(
            f'<tr><td>{photo.rank}</td><th scope="row">{html.escape(Path(photo.path).name)}</th>'
            f"<td>{photo.score:+.2f}</td><td>{photo.jod_low:+.2f} … {photo.jod_high:+.2f}</td><td>{beats}</td>"
            f'<td>{close}</td><td class="why">{html.escape(photo.reason)}</td></tr>'
        )
    heads = ["rank", "photo", "JOD", "95 % interval", "beats the next", "too close to call", "why"]
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        f'<div class="pqa-answer" id="numbers"><p class="pqa-heading">Chances</p>{win_html(ranking)}'
        f'<p class="pqa-heading">Scores by {html.escape(ranking.model)}</p><div class="pqa-scroll" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></div>"
    )


def closer_look(kept: Kept, place: int) -> str:
    """One photo: why, its measured parts against the first (the first: against the middle of the others), its maps."""
    place = min(max(int(place), 0), len(kept.jpegs) - 1)
    photo, others = kept.ranking.photos[place], kept.ranking.photos[1:] if place == 0 else kept.ranking.photos[:1]
    image, name = kept.photo(place), html.escape(name_of(kept, place))
    rows = []
    for part, (label, unit) in PARTS.items():
        own, other = photo.measures[part], float(np.median([p.measures[part] for p in others]))
        apart = abs(own - other) >= ASPECTS[part][1]
        rows.append(
            f'<tr><th scope="row">{label} <small>{unit}</small></th><td>{"<b>" if apart else ""}{own:.2f}'
            f"{'</b>' if apart else ''}</td><td>{other:.2f}</td></tr>"
        )
    maps = "".join(
        f'<figure><img src="{data_uri(part.image, 480, 90)}" alt="{part.name} map of {name}">'
        f"<figcaption><b>{part.name}.</b> {part.legend}</figcaption></figure>"
        for part in part_maps(image)
    )
    against = "the middle of the others" if place == 0 else "the first"
    return (
        f'<div id="look" class="pqa-answer" data-place="{place}"><p class="pqa-heading">{name}: {photo.score:+.2f} JOD '
        f"({photo.jod_low:+.2f} … {photo.jod_high:+.2f})</p><p>Against {against}: {html.escape(photo.reason)}.</p>"
        f'<div class="pq-look"><div><img src="{data_uri(image, 1024)}" alt="{name}"></div>'
        f'<div><div class="pqa-scroll" tabindex="0"><table><thead><tr><th scope="col">part</th>'
        f'<th scope="col">this photo</th><th scope="col">{against}</th></tr></thead><tbody>{"".join(rows)}</tbody>'
        f'</table></div><p class="note">Bold: a difference that a viewer notices.</p></div></div>'
        f'<div class="pq-maps">{maps}</div></div>'
    )


def report(kept: Kept) -> str:
    return ranking_report(kept.whole())
