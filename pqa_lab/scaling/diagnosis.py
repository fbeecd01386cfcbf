"""Can these votes be trusted, and does the scale describe them: fit, triads, observers, position, held-out votes."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import xlogy
from scipy.stats import chi2, norm, pearson3

from ..errors import InputError
from .graph import always, bridges, compared, groups, strong_components
from .model import SCALES, log_probability, probability, slopes
from .newton import newton
from .prior import TYPICAL_SD
from .result import JodScale, SceneFit
from .uncertainty import bread
from .votes import Tally

SUSPICIOUS = -3.0  # z below which an observer is named


def report(fit: SceneFit) -> dict:
    """Everything that should be known about one scale before its JODs are used, as values that JSON can hold.

    What does not apply is None: ``prior_sd`` without a prior, ``degrees_of_freedom`` of normal intervals, ...
    """
    tally = fit.tally
    winners, losers = always(tally)
    a, b = tally.ab
    strong = strong_components(a, b, tally)[compared(tally)]
    held = bridges(tally)
    names = tally.images
    watched = observers(fit) if tally.observer is not None and len(tally.observers) > 2 else None
    found = {
        "scene": tally.scene,
        **fit.settings,
        "prior_sd": fit.prior_sd,
        "images": tally.n,
        "votes": float(tally.weight.sum()),
        "ties": float(tally.weight[tally.share == 0.5].sum()),
        "observers": None if tally.observers is None else len(tally.observers),
        "degrees_of_freedom": fit.degrees,
        "pairs_compared": len(a),
        "groups": int(groups(tally).max() + 1),
        "strong_components": len(np.unique(strong)),
        "always_winners": list(names[winners]),
        "always_losers": list(names[losers]),
        "uncompared": list(names[~compared(tally)]),
        "bridges": [(names[tally.pairs.i[k]], names[tally.pairs.j[k]], float(a[k] + b[k])) for k in held],
        **goodness_of_fit(fit),
        **circular_triads(tally),
        "outliers": None if watched is None else list(watched.loc[watched["outlier"], "observer"]),
        "position_bias": position_bias(fit),
        "notes": [*fit.notes, *_cautions(fit, held)],
    }
    return _plain(found)


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _cautions(fit: SceneFit, held: np.ndarray) -> list[str]:
    tally = fit.tally
    notes = []
    missing = int((~compared(tally)).sum())
    if missing:
        known = f"the prior's full width (SD {fit.prior_sd:.2f} JOD)" if fit.ridge else "no JOD (NaN)"
        notes.append(f"Never compared: {missing} of {tally.n} images, with {known}.")
    if tally.observers is not None and 1 < len(tally.observers) < 6:
        notes.append(f"Only {len(tally.observers)} observers: the intervals are wide because people may differ.")
    single = [k for k in held if tally.ab[0][k] + tally.ab[1][k] < 5]
    if single:
        notes.append(f"Parts of the scale hang on {len(single)} bridge(s) of fewer than 5 votes.")
    if tally.observer is not None:
        rows = np.stack([tally.observer, tally.pair], 1)
        again = len(rows) - len(np.unique(rows, axis=0))
        if again:
            notes.append(f"{again} votes repeat a pair that the same observer had answered before; each counts.")
    return notes


def residuals(scale: JodScale, scene=None) -> pd.DataFrame:
    """Every compared pair: votes, observed and expected share for ``image``, standardised residual, worst first.

    Parameters
    ----------
    scale : JodScale
    scene : optional
        Which, where there are several.

    Returns
    -------
    DataFrame
        ``image, other, votes, observed, expected`` (shares in [0, 1]) and the residual, in standard deviations.
    """
    fit = scale._fit(scene)
    i, j, a, b = fit.tally.pairs.i, fit.tally.pairs.j, *fit.tally.ab
    expected = probability(fit.raw[i] - fit.raw[j], fit.settings["model"])
    spread = np.sqrt((a + b) * expected * (1 - expected))
    table = pd.DataFrame(
        {
            "image": fit.tally.images[i],
            "other": fit.tally.images[j],
            "votes": a + b,
            "observed": a / np.maximum(a + b, 1e-300),
            "expected": expected,
            "residual": (a - (a + b) * expected) / np.maximum(spread, 1e-300),
        }
    )
    return table.sort_values("residual", key=np.abs, ascending=False, ignore_index=True)


def goodness_of_fit(fit: SceneFit) -> dict:
    """Deviance and Pearson's chi-square against the saturated model (one free share a pair).

    ``fit_p`` is None where a test would mislead: no pair left over, or fewer than 5 votes in the typical pair.
    """
    i, j, a, b = fit.tally.pairs.i, fit.tally.pairs.j, *fit.tally.ab
    n = a + b
    d = fit.raw[i] - fit.raw[j]
    model = fit.settings["model"]
    # 2 sum a log(a / n p) + b log(b / n (1 - p))
    saturated = xlogy(a, a / np.maximum(n, 1e-300)) + xlogy(b, b / np.maximum(n, 1e-300))
    deviance = 2 * (saturated - a * log_probability(d, model) - b * log_probability(-d, model)).sum()
    p = probability(d, model)
    square = ((a - n * p) ** 2 / np.maximum(n * p * (1 - p), 1e-300)).sum()
    free = int(len(a) - (compared(fit.tally).sum() - (groups(fit.tally).max() + 1)))
    testable = free > 0 and np.median(n) >= 5
    return {
        "deviance": float(deviance),
        "chi_square": float(square),
        "fit_degrees": free,
        "fit_p": float(chi2.sf(square, free)) if testable else None,
    }


def circular_triads(tally: Tally) -> dict:
    """Triples i > j > k > i by majority, out of the triples where every pair has a majority (chance: one in four)."""
    c = tally.counts()
    beats = (c > c.T).astype(float)
    settled = beats + beats.T
    # Closed walks of length 3: each circular triad is walked from 3 starts, each settled triple from 3 in 2 directions.
    return {
        "circular_triads": round(np.einsum("ij,ji->", beats @ beats, beats) / 3),
        "triads": round(np.einsum("ij,ji->", settled @ settled, settled) / 6),
    }


def _without(fit: SceneFit, part: np.ndarray) -> np.ndarray:
    """JODs fitted without each part of the votes in turn: part numbers (V,) -> (parts, N)."""
    tally = fit.tally
    a, b = replace(tally, observer=part, observers=np.arange(part.max() + 1)).by_observer()
    ridge = fit.ridge or TYPICAL_SD**-2  # without a prior a part may be all that bounds an image
    all_a, all_b = tally.ab
    start = np.tile(np.nan_to_num(fit.raw), (a.shape[0], 1))
    left_a, left_b = np.maximum(all_a - a.toarray(), 0), np.maximum(all_b - b.toarray(), 0)
    return newton(left_a, left_b, tally.pairs, fit.settings["model"], ridge, start=start, tolerance=1e-3)[0]


def observers(scale: JodScale | SceneFit) -> pd.DataFrame:
    """How well each observer's votes agree with the scale of all others. Lesson 15.

    For observer k, whose votes are left out of the fit, with p the predicted chance of each answer (the scale's own
    uncertainty included):

        z_k = sum (log-likelihood - its expectation) / sqrt(sum of its variance)

    Expectation and variance are those of the pairs that k saw, so hard pairs are no fault of the observer. One slip on
    an easy pair costs much, so the sum is skewed: a z below 0 is turned into the normal z of the same tail probability
    (Pearson's type III curve with the sum's own skewness). Then z is about N(0, 1) for an observer like the others, and
    below -3 for one who guesses, is much noisier, or answers in reverse.

    Parameters
    ----------
    scale : JodScale
        Votes of several scenes are pooled.

    Returns
    -------
    DataFrame
        ``observer, votes, agreement, z, largest_change, outlier``, most suspicious first: ``agreement`` is the share
        of votes for the image that the others place higher; ``largest_change`` how far, in JOD, leaving the observer
        out moves an image.
    """
    fits = [scale] if isinstance(scale, SceneFit) else list(scale.fits.values())
    if any(fit.tally.observer is None for fit in fits):
        raise InputError("The votes name no observers, so none can be screened.")
    rows = []
    for fit in fits:
        tally, model = fit.tally, fit.settings["model"]
        if len(tally.observers) < 2:
            raise InputError("One observer cannot be compared with others.")
        q = _without(fit, tally.observer)  # (K, N)
        i, j, y = tally.first, tally.second, tally.share
        d = q[tally.observer, i] - q[tally.observer, j]
        v = bread(tally, np.nan_to_num(fit.raw), fit.ridge or TYPICAL_SD**-2, model)
        d = d / np.sqrt(1 + np.maximum(v[i, i] + v[j, j] - 2 * v[i, j], 0) / SCALES[model] ** 2)
        yes, no, p = log_probability(d, model), log_probability(-d, model), probability(d, model)
        gain = y * yes + (1 - y) * no - (p * yes + (1 - p) * no)
        variance = p * (1 - p) * (yes - no) ** 2
        k, w = len(tally.observers), tally.weight
        shift = np.where(compared(tally), q - np.nan_to_num(fit.raw), 0)
        table = {
            "observer": tally.observers,
            "votes": np.bincount(tally.observer, w, k),
            "agreement": np.bincount(tally.observer, w * np.where(d > 0, y, np.where(d < 0, 1 - y, 0.5)), k),
            "gain": np.bincount(tally.observer, w * gain, k),
            "variance": np.bincount(tally.observer, w**2 * variance, k),
            "third": np.bincount(tally.observer, w**3 * variance * (1 - 2 * p) * (yes - no), k),
            "largest_change": np.abs(shift).max(1),
        }
        rows.append(pd.DataFrame(table))
    how = {
        "votes": "sum",
        "agreement": "sum",
        "gain": "sum",
        "variance": "sum",
        "third": "sum",
        "largest_change": "max",
    }
    table = pd.concat(rows).groupby("observer", as_index=False).agg(how)
    table["agreement"] /= np.maximum(table["votes"], 1e-300)
    spread = np.sqrt(np.maximum(table["variance"], 1e-300))
    table["z"] = _unskewed(table["gain"] / spread, table["third"] / spread**3)
    table["outlier"] = table["z"] < SUSPICIOUS
    table = table[["observer", "votes", "agreement", "z", "largest_change", "outlier"]]
    return table.sort_values("z", ignore_index=True)


def _unskewed(z: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Normal z with the tail probability of a z below 0 whose distribution leans to the left."""
    tail = pearson3.sf(-z, np.maximum(-skewness, 1e-6))
    return np.where(z < 0, norm.ppf(np.clip(tail, 1e-300, 0.5)), z)


def _slope(x: np.ndarray, offset, y, w, cluster, model: str) -> tuple[float, float]:
    """Fit g in P = F(offset + g x) and its SE, clustered: all arrays are (V,)."""
    g = 0.0
    for _ in range(50):
        win, lose, win_bend, lose_bend = slopes(offset + g * x, model)
        score = w * x * (y * win - (1 - y) * lose)
        information = (w * x**2 * (y * win_bend + (1 - y) * lose_bend)).sum()
        move = np.clip(score.sum() / max(information, 1e-300), -1, 1)
        g += move
        if abs(move) < 1e-9:
            break
    by_cluster = np.bincount(cluster, score)
    return float(g), float(np.sqrt((by_cluster**2).sum()) / max(information, 1e-300))


def position_bias(fit: SceneFit) -> dict | None:
    """How many JOD the image shown first gains by being first: P(first) = F((q_i - q_j + gain) / s).

    None where the votes do not say which image was first. ``p`` is the chance of a gain this large without a bias.
    """
    tally = fit.tally
    if not tally.positions:
        return None
    s, d = SCALES[fit.settings["model"]], fit.raw[tally.first] - fit.raw[tally.second]
    cluster = np.arange(len(d)) if tally.observer is None else tally.observer
    one = np.full(len(d), 1 / s)
    gain, se = _slope(one, d / s, tally.share, tally.weight, cluster, fit.settings["model"])
    share = float((tally.weight * tally.share).sum() / tally.weight.sum())
    return {"first_share": share, "gain": gain, "se": se, "p": float(2 * norm.sf(abs(gain) / max(se, 1e-300)))}


def held_out(scale: JodScale, folds: int = 5, level: float = 0.95, seed: int = 0) -> dict:
    """Does 1 JOD give 75 % on votes that the scale has not seen?

    Each fold of observers (of votes, where observers are unknown or fewer than the folds) is predicted by the scale of
    the others, and P = F(slope (q_i - q_j) / s) is fitted to all predictions: slope 1 is a true scale.

    Parameters
    ----------
    scale : JodScale
    folds : int
        Parts into which the observers are divided.
    level : float
        Of the intervals.
    seed : int
        Of the division.

    Returns
    -------
    dict
        ``votes``; ``slope`` with ``slope_low``, ``slope_high``; ``at_one_jod``, the share of votes for the better image
        at 1 JOD, with ``at_one_jod_low``, ``at_one_jod_high``; ``bins``, a table of predicted difference, predicted and
        observed share.
    """
    rng = np.random.default_rng(seed)
    d, y, w, cluster, model = [], [], [], [], None
    for fit in scale.fits.values():
        tally, model = fit.tally, fit.settings["model"]
        by_people = tally.observer is not None and len(tally.observers) >= folds
        unit = tally.observer if by_people else np.arange(len(tally.first))
        if unit.max() + 1 < folds:
            raise InputError(f"Scene {tally.scene} has fewer votes than the {folds} folds of a held-out check.")
        fold = rng.permutation(np.arange(unit.max() + 1) % folds)[unit]
        q = _without(fit, fold)
        d.append(q[fold, tally.first] - q[fold, tally.second])
        y.append(tally.share)
        w.append(tally.weight)
        cluster.append(tally.observers[unit] if by_people else len(cluster) * 10**9 + unit)
    d, y, w = np.concatenate(d), np.concatenate(y), np.concatenate(w)
    code = pd.factorize(np.concatenate([np.asarray(c).astype(str) for c in cluster]))[0]
    s = SCALES[model]
    slope, se = _slope(d / s, np.zeros(len(d)), y, w, code, model)
    width = norm.ppf(0.5 + level / 2) * se
    low, high = float(slope - width), float(slope + width)
    return {
        "votes": float(w.sum()),
        "slope": slope,
        "slope_low": low,
        "slope_high": high,
        "at_one_jod": float(probability(slope, model)),
        "at_one_jod_low": float(probability(low, model)),
        "at_one_jod_high": float(probability(high, model)),
        "bins": _bins(np.abs(d), np.where(d >= 0, y, 1 - y), w, model),
    }


def _bins(
    d: np.ndarray, y: np.ndarray, w: np.ndarray, model: str, edges=(0, 0.5, 1, 1.5, 2, 3, np.inf)
) -> pd.DataFrame:
    table = pd.DataFrame({"bin": pd.cut(d, edges, right=False), "votes": w, "difference": w * d, "observed": w * y})
    table["predicted"] = w * probability(d, model)
    table = table.groupby("bin", observed=True, as_index=False).sum()
    for name in ("difference", "observed", "predicted"):
        table[name] /= table["votes"]
    return table[["bin", "votes", "difference", "predicted", "observed"]]
