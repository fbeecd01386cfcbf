"""Photos of one scene in, a ``Ranking`` out: what the app, the command and lesson 0 share.

Scores of a method live on an arbitrary scale. ``calibrate`` learns, from images whose JODs are known, the factor that
turns a difference of scores into JODs, and how far off the model is; a ranking states both. A difference of 1 JOD means
that 75 % of viewers are expected to prefer the better photo.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_ndtr, ndtr, ndtri

from pqa_lab.errors import InputError
from pqa_lab.reasons import explain, measure_group
from pqa_lab.scenes.photo import BadPhoto, load_photo
from pqa_lab.shipped import PACKAGE
from pqa_lab.views import agreed_faces, detect_face, in_threads

DEFAULT_MODEL = PACKAGE / "weights" / "default"
ZERO_SHOT = "zero-shot"  # as the name of a model
SIGMA = 1 / ndtri(0.75)  # JOD: Phi(1 / SIGMA) = 0.75
TOO_CLOSE = 0.6  # below this chance of winning, an order is a coin toss to a person
MAX_PHOTOS = 100
WORKING_SIDE = 1536  # pixels on the longer side; detail finer than that is not seen on a screen


@dataclass(frozen=True)
class Calibration:
    """From scores to JODs: ``jod = scale * score``, wrong by a normal error of ``error_sd`` JOD an image."""

    scale: float = 1.0
    error_sd: float = 1.0


def calibrate(frame: pd.DataFrame) -> Calibration:
    """Fit the scale so that Phi(scale * score difference / SIGMA) predicts viewers' choices in unseen scenes.

    Parameters
    ----------
    frame : DataFrame
        One row an image, columns ``scene, score, jod``; the scenes must be unknown to the model.

    Returns
    -------
    Calibration
    """
    score, jod, scene = (frame[name].to_numpy() for name in ("score", "jod", "scene"))
    first, second = np.nonzero(np.triu(scene[:, None] == scene[None, :], 1))
    if len(first) == 0:
        raise InputError("Calibration needs at least one scene with two images.")
    d_score, d_jod = score[first] - score[second], jod[first] - jod[second]
    preferred = ndtr(d_jod / SIGMA)

    # minus the log likelihood of the viewers' choices: p log Phi(d) + (1 - p) log Phi(-d)
    def cost(log_scale: float) -> float:
        d = np.exp(log_scale) * d_score / SIGMA
        return -float(np.mean(preferred * log_ndtr(d) + (1 - preferred) * log_ndtr(-d)))

    spread = max(float(np.std(d_score)), 1e-12)
    best = minimize_scalar(cost, bounds=(np.log(1e-3 / spread), np.log(1e2 / spread)), method="bounded")
    scale = float(np.exp(best.x))
    error = d_jod - scale * d_score  # the difference of two errors, hence the sqrt(2)
    return Calibration(scale, float(np.sqrt(np.mean(error**2) / 2)))


@dataclass
class RankedPhoto:
    """One photo of a ranking.

    ``score`` and its 95 % interval, ``jod_low`` to ``jod_high``, are in JODs, mean 0 over the group. ``rank`` counts
    from 1; ``reason`` is a sentence made from ``measures``; ``face`` is a box (x0, y0, x1, y1) in pixels of ``image``,
    the photo at working size.
    """

    rank: int
    path: str
    score: float
    jod_low: float
    jod_high: float
    reason: str
    measures: dict[str, float] = field(default_factory=dict)
    face: tuple[int, int, int, int] | None = None
    image: np.ndarray | None = field(default=None, repr=False)


@dataclass
class Ranking:
    """Photos best first.

    Attributes
    ----------
    photos : list of RankedPhoto
    win : ndarray, shape (n, n)
        ``win[i, j]``: chance that a viewer prefers photo i to photo j, both counted best first; 0.5 on the diagonal.
    ties : list of list of int
        Groups of neighbours (positions, best first) in which every photo is too close to call against the next.
    left_out : list of (name, why)
        Files that could not be read.
    model : str
    """

    photos: list[RankedPhoto]
    win: np.ndarray
    ties: list[list[int]]
    left_out: list[tuple[str, str]]
    model: str

    def as_frame(self) -> pd.DataFrame:
        rows = [
            {
                "rank": photo.rank,
                "photo": Path(photo.path).name,
                "score": round(photo.score, 2),
                "low": round(photo.jod_low, 2),
                "high": round(photo.jod_high, 2),
                "beats next": round(float(self.win[i, i + 1]), 2) if i + 1 < len(self.photos) else np.nan,
                "too close to call": any(i in group for group in self.ties),
                "why": photo.reason,
            }
            for i, photo in enumerate(self.photos)
        ]
        return pd.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        photos = [
            {key: value for key, value in asdict(photo).items() if key not in ("image", "face")}
            for photo in self.photos
        ]
        return {
            "model": self.model,
            "photos": photos,
            "win": self.win.round(4).tolist(),
            "ties": self.ties,
            "left_out": [{"photo": name, "why": why} for name, why in self.left_out],
        }

    def as_text(self) -> str:
        names = [Path(photo.path).name for photo in self.photos]
        names = [name if len(name) <= 32 else name[:31] + "…" for name in names]
        wide = max(5, *map(len, names))
        lines = [f"{'':4}{'photo':{wide}} {'JOD':>6}  {'95 % interval':>15}  {'beats next':>10}  why"]
        for i, photo in enumerate(self.photos):
            beats = f"{self.win[i, i + 1]:.0%}" if i + 1 < len(self.photos) else ""
            interval = f"{photo.jod_low:+.2f} … {photo.jod_high:+.2f}"
            lines.append(
                f"{photo.rank:2}. {names[i]:{wide}} {photo.score:+6.2f}  {interval:>15}  {beats:>10}  {photo.reason}"
            )
        for group in self.ties:
            lines.append("too close to call: " + ", ".join(Path(self.photos[i].path).name for i in group))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Ranking of {len(self.photos)} photos, best first:\n{self.as_text()}"

    def _repr_html_(self) -> str:
        from pqa_lab.report import ranking_html

        return ranking_html(self)


def rank(photos: Sequence[Any], model: Any = "default", names: Sequence[str] | None = None) -> Ranking:
    """Rank photos of one scene. Lessons 00, 15.

    Parameters
    ----------
    photos : sequence of path, bytes, PIL.Image or array (H, W, 3) uint8
        2 to 100 photos of the same scene. One that cannot be read is left out and named.
    model : str, Path or nn.Module
        ``"default"``, the folder of a checkpoint, or a model of ``METHODS`` (then scores count as JODs).
    names : sequence of str, optional
        What to call the photos; by default their file names.

    Returns
    -------
    Ranking

    Raises
    ------
    InputError
        Fewer than two readable photos, more than 100, or a model that cannot be loaded.
    """
    if len(photos) < 2:
        raise InputError(f"A ranking needs at least two photos of the same scene; got {len(photos)}.")
    if len(photos) > MAX_PHOTOS:
        raise InputError(f"At most {MAX_PHOTOS} photos can be ranked together; got {len(photos)}.")
    if names is None:
        names = [str(p) if isinstance(p, str | Path) else f"photo {number}" for number, p in enumerate(photos, 1)]
    elif len(names) != len(photos):
        raise InputError(f"{len(photos)} photos but {len(names)} names; give one name a photo.")
    opened = list(zip(names, in_threads(open_photo, photos), strict=True))
    left_out = [(Path(name).name, str(error)) for name, error in opened if isinstance(error, BadPhoto)]
    readable = [name for name, image in opened if not isinstance(image, BadPhoto)]
    images = [image for _, image in opened if not isinstance(image, BadPhoto)]
    if len(images) < 2:
        named = "; ".join(f"{name}: {why}" for name, why in left_out)
        raise InputError(f"Fewer than two of the photos can be read ({named}).")
    net, calibration, label = load_ranker(model)
    faces = in_threads(detect_face, images)  # once for the scores and the reasons
    jod = calibration.scale * score_photos(net, images, faces)
    return assemble(readable, images, jod - jod.mean(), calibration, left_out, label, faces)


def open_photo(source: Any) -> np.ndarray | BadPhoto:
    """The photo ``source`` at working size, or what is wrong with it."""
    try:
        return load_photo(source, max_side=WORKING_SIDE)
    except BadPhoto as error:
        return error


def score_photos(
    net: Any, images: Sequence[np.ndarray], faces: Sequence[tuple[int, int, int, int] | None] | None = None
) -> np.ndarray:
    """Scores (n,) by ``net`` of photos that share a scene; the same photo gets the same score every time.

    ``faces``, where they are known already, spare models that ask for them (``views(train).takes_face``) the search.
    """
    import torch

    from pqa_lab.methods.tta import predict_views

    look = net.views(train=False)
    if getattr(look, "takes_face", False):
        faces = in_threads(detect_face, images) if faces is None else faces
        rngs = [np.random.default_rng(0) for _ in images]
        seen = in_threads(look, images, rngs, agreed_faces(images, faces))
    else:
        seen = [look(image, np.random.default_rng(0)) for image in images]  # each view (V, ...)
    net.eval()
    with torch.inference_mode():
        if getattr(net, "compares", False):  # photos of a group are scored together, one view each
            return net({name: torch.cat([views[name] for views in seen]) for name in seen[0]}).score.numpy()
        # One photo at a time: the views of many large photos need not fit in memory together.
        batches = ({name: view[None] for name, view in views.items()} for views in seen)  # (1, V, ...)
        return np.array([float(predict_views(net, views).score[0]) for views in batches])


def assemble(
    names: Sequence[str],
    images: Sequence[np.ndarray],
    jod: np.ndarray,
    calibration: Calibration,
    left_out: list[tuple[str, str]],
    label: str,
    faces: Sequence[tuple[int, int, int, int] | None] | None = None,
) -> Ranking:
    """Order scored photos and say how sure the order is; equal scores keep the order in which they were given.

    Parameters
    ----------
    names, images, jod : sequences of n
        In any order; ``jod`` are calibrated scores.
    calibration : Calibration
        Its error gives the intervals.
    left_out : list of (name, why)
    label : str
        Name of the model.
    faces : sequence of n boxes or None, optional
        Where they are known already.

    Returns
    -------
    Ranking
    """
    order = np.argsort(-jod, kind="stable")
    jod = jod[order]
    # Two photos are compared through two errors; a viewer adds the noise of the JOD scale itself, which the calibration
    # has already absorbed into the scale.
    win = ndtr((jod[:, None] - jod[None, :]) / SIGMA)
    measures = measure_group([images[i] for i in order], None if faces is None else [faces[i] for i in order])
    reasons = explain(measures)
    half = 1.96 * calibration.error_sd
    ranked = [
        RankedPhoto(
            rank=place + 1,
            path=names[i],
            score=float(jod[place]),
            jod_low=float(jod[place] - half),
            jod_high=float(jod[place] + half),
            reason=reasons[place],
            measures=measures[place].values,
            face=measures[place].face,
            image=images[i],
        )
        for place, i in enumerate(order)
    ]
    return Ranking(ranked, win, close_groups(win), left_out, label)


def close_groups(win: np.ndarray) -> list[list[int]]:
    """Runs of neighbours in which each beats the next with a chance (``win``, best first) below ``TOO_CLOSE``."""
    groups: list[list[int]] = []
    for i in range(len(win) - 1):
        if win[i, i + 1] >= TOO_CLOSE:
            continue
        if groups and groups[-1][-1] == i:
            groups[-1].append(i + 1)
        else:
            groups.append([i, i + 1])
    return groups


def load_ranker(model: Any) -> tuple[Any, Calibration, str]:
    """A model ready to score, its calibration, and its name. Lesson 15.

    Parameters
    ----------
    model : str, path or nn.Module
        As in `rank`.

    Returns
    -------
    net, calibration, name
    """
    if isinstance(model, str | Path):
        if str(model) == ZERO_SHOT:
            return _zero_shot()
        return _load_checkpoint(str(DEFAULT_MODEL if str(model) == "default" else model))
    if not hasattr(model, "views"):
        raise InputError(
            "model must be 'default', 'zero-shot', the folder of a checkpoint, or a model of pqa_lab.methods.METHODS."
        )
    calibration = Calibration(**getattr(model, "facts", {}).get("calibration", {}))
    return model, calibration, type(model).__name__


@lru_cache(maxsize=1)
def _zero_shot() -> tuple[Any, Calibration, str]:
    """LIQE's prompts with CLIP's own weights, which nobody has shown a quality: fetched from the hub."""
    from pqa_lab.methods.liqe import LIQE

    return LIQE.paper(pretrained=True).eval(), Calibration(), "CLIP with LIQE's prompts (zero-shot, not calibrated)"


@lru_cache(maxsize=2)
def _load_checkpoint(folder: str) -> tuple[Any, Calibration, str]:
    from pqa_lab.training import load_checkpoint

    net = load_checkpoint(folder)
    return net, Calibration(**net.facts.get("calibration", {})), f"{net.config.method} ({Path(folder).name})"
