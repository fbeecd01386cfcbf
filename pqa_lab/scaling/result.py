"""What ``scale`` returns."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import t as student

from ..errors import InputError
from .model import probability
from .votes import Tally


@dataclass
class SceneFit:
    """The scale of one scene; every vector is (N,) in the order of ``tally.images``.

    Attributes
    ----------
    jod : array (N,)
        NaN for an image that nothing is known about (no votes and no prior).
    covariance : array (N, N), JOD^2
        In the scale's gauge (mean 0 of the compared images, or the reference image at 0).
    low, high : arrays (N,), JOD
    degrees : float
        Degrees of freedom of the t quantile; infinite for a normal one.
    ridge : float
        1 / prior SD^2.
    raw : array (N,)
        The JODs before the gauge, where the prior's mean is 0.
    """

    tally: Tally
    jod: np.ndarray
    covariance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    degrees: float
    ridge: float
    raw: np.ndarray
    settings: dict
    samples: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def se(self) -> np.ndarray:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))

    @property
    def prior_sd(self) -> float | None:
        return self.ridge**-0.5 if self.ridge else None

    def quantile(self, level: float) -> float:
        """Half-width of a two-sided interval in SEs."""
        return float(student.ppf(0.5 + level / 2, self.degrees))

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "scene": self.tally.scene,
                "image": self.tally.images,
                "jod": self.jod,
                "se": self.se,
                "ci_low": self.low,
                "ci_high": self.high,
                "comparisons": _whole(self.tally.comparisons),
            }
        )


def _whole(x: np.ndarray) -> np.ndarray:
    return x.astype(int) if (x == np.round(x)).all() else x


class JodScale:
    """JODs of one scene, or of several scenes that were scaled each for itself.

    ``covariance``, ``report`` and ``samples`` are the thing itself if there is one scene and a dict by scene if there
    are several; ``scale[scene]`` is the scale of one scene. Made by :func:`scale` and :func:`scale_counts` from
    ``fits``, one a scene. Zero and spread of different scenes cannot be compared.
    """

    def __init__(self, fits: list[SceneFit]):
        self.fits = {fit.tally.scene: fit for fit in fits}

    def __repr__(self) -> str:
        images = sum(fit.tally.n for fit in self.fits.values())
        return f"JodScale({len(self.fits)} scene{'s' * (len(self.fits) > 1)}, {images} images)"

    def __getitem__(self, scene) -> "JodScale":
        return JodScale([self._fit(scene)])

    def _fit(self, scene=None) -> SceneFit:
        if scene is None and len(self.fits) == 1:
            return next(iter(self.fits.values()))
        if scene not in self.fits:
            some = ", ".join(map(str, list(self.fits)[:5]))
            ask = "there is no such scene" if scene is not None else "say which scene"
            raise InputError(f"{ask.capitalize()} ({scene!r}); this scale has {len(self.fits)}: {some}, ...")
        return self.fits[scene]

    def _one_or_all(self, value):
        if len(self.fits) == 1:
            return value(next(iter(self.fits.values())))
        return {scene: value(fit) for scene, fit in self.fits.items()}

    @property
    def scenes(self) -> list:
        return list(self.fits)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row an image: ``scene, image, jod, se, ci_low, ci_high, comparisons``."""
        return pd.concat([fit.table() for fit in self.fits.values()], ignore_index=True)

    @cached_property
    def covariance(self):
        """Covariance of the JODs (N, N), rows as in ``table``; a dict by scene if there are several."""
        return self._one_or_all(lambda fit: fit.covariance)

    @cached_property
    def samples(self):
        """JODs of the bootstrap's resamples (R, N), None without a bootstrap; a dict by scene if several."""
        return self._one_or_all(lambda fit: fit.samples)

    @cached_property
    def report(self):
        """Prior, connectivity, fit and observers as a plain dict; a dict by scene if there are several."""
        from .diagnosis import report

        return self._one_or_all(report)

    def differences(self, scene=None, correction: str | None = "holm", level: float | None = None) -> pd.DataFrame:
        """Every pair of one scene: how far apart, how sure, and whether it is significant.

        Parameters
        ----------
        scene : optional
            Needed if there are several.
        correction : {"holm", "bh", None}
            Holm keeps the chance of any false claim, Benjamini-Hochberg the expected share of false claims.
        level : float
            Of the intervals (each for itself) and 1 - the significance level; by default that of the scale.

        Returns
        -------
        DataFrame
            ``better, worse, difference, se, ci_low, ci_high, p, p_adjusted, significant, win_probability``, largest
            difference first. ``win_probability`` is how often an observer is expected to prefer ``better``.
        """
        fit = self._fit(scene)
        level = fit.settings["level"] if level is None else level
        i, j = np.triu_indices(fit.tally.n, 1)
        known = np.isfinite(fit.jod[i]) & np.isfinite(fit.jod[j])
        i, j = i[known], j[known]
        swap = fit.jod[i] < fit.jod[j]
        i, j = np.where(swap, j, i), np.where(swap, i, j)
        difference = fit.jod[i] - fit.jod[j]
        v = fit.covariance
        se = np.sqrt(np.maximum(v[i, i] + v[j, j] - 2 * v[i, j], 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            p = 2 * student.sf(difference / se, fit.degrees)
        width = fit.quantile(level) * se
        adjusted = adjust(p, correction)
        table = pd.DataFrame(
            {
                "better": fit.tally.images[i],
                "worse": fit.tally.images[j],
                "difference": difference,
                "se": se,
                "ci_low": difference - width,
                "ci_high": difference + width,
                "p": p,
                "p_adjusted": adjusted,
                "significant": adjusted < 1 - level,
                "win_probability": probability(fit.raw[i] - fit.raw[j], fit.settings["model"]),
            }
        )
        return table.sort_values("difference", ascending=False, ignore_index=True)

    def difference(self, image, other, scene=None, level: float | None = None) -> dict:
        """One difference ``image - other`` with its interval: keys ``difference, se, ci_low, ci_high, p``."""
        fit = self._fit(scene)
        i, j = position(fit.tally, image), position(fit.tally, other)
        v = fit.covariance
        d = float(fit.jod[i] - fit.jod[j])
        se = float(np.sqrt(max(v[i, i] + v[j, j] - 2 * v[i, j], 0)))
        width = fit.quantile(fit.settings["level"] if level is None else level) * se
        p = float(2 * student.sf(abs(d) / se, fit.degrees)) if se else float("nan")
        return {"difference": d, "se": se, "ci_low": d - width, "ci_high": d + width, "p": p}

    def levels(self, scene=None, correction: str | None = "holm", level: float | None = None) -> pd.Series:
        """Quality levels, 1 = best: a new level starts at the first image that is significantly below the best image
        of the level before. Within a level the best is not significantly better than any other. (N,), by image name.
        """
        fit = self._fit(scene)
        pairs = self.differences(scene, correction, level)
        apart = set(zip(*pairs.loc[pairs["significant"], ["better", "worse"]].to_numpy().T, strict=True))
        found, best, number = {}, None, 0
        for k in np.argsort(-fit.jod, kind="stable"):
            name = fit.tally.images[k]
            if np.isnan(fit.jod[k]):
                continue
            if best is None or (best, name) in apart:
                best, number = name, number + 1
            found[name] = number
        return pd.Series(found, name="level").reindex(fit.tally.images)

    def win_probability(self, scene=None) -> pd.DataFrame:
        """How often an observer is expected to prefer the row's image to the column's (N, N)."""
        fit = self._fit(scene)
        p = probability(fit.raw[:, None] - fit.raw[None, :], fit.settings["model"])
        return pd.DataFrame(p, index=fit.tally.images, columns=fit.tally.images)


def position(tally: Tally, image) -> int:
    """Number of an image in its scene."""
    hits = np.flatnonzero(tally.images == image)
    if not len(hits):
        raise InputError(f"There is no image {image!r} in scene {tally.scene}: images of two scenes share no scale.")
    return int(hits[0])


def adjust(p: np.ndarray, correction: str | None) -> np.ndarray:
    """p values adjusted for their number: Holm 1979, Benjamini & Hochberg 1995, or as they are."""
    if correction is None:
        return p
    m, order = len(p), np.argsort(p)
    rank = np.arange(1, m + 1)
    if correction == "holm":
        # p~_(k) = max_{l <= k} min(1, (m - l + 1) p_(l))
        ordered = np.maximum.accumulate((m - rank + 1) * p[order])
    elif correction == "bh":
        # p~_(k) = min_{l >= k} min(1, m p_(l) / l)
        ordered = np.minimum.accumulate((m * p[order] / rank)[::-1])[::-1]
    else:
        raise InputError(f'correction must be "holm", "bh" or None, not {correction!r}.')
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(ordered, 1)
    return adjusted
