"""The door: votes or counts in, a ``JodScale`` out."""

import numpy as np
import pandas as pd

from ..errors import InputError
from . import pwcmp
from .counts import tally_counts
from .graph import compared, has_finite_scale, strong_components
from .link import linked, some
from .model import SCALES
from .newton import Pairs, newton
from .prior import empirical_bayes
from .published import standardize as as_published
from .pwcmp import NoFiniteScale
from .result import JodScale, SceneFit, position
from .uncertainty import Bootstrap, bootstrap, bread, draw, sandwich
from .votes import Tally, tally_votes

BATCH = 50_000  # pairs x scales that are fitted at once


def scale(
    votes: pd.DataFrame,
    prior: str | float = "eb",
    ci: str = "sandwich",
    *,
    model: str = "thurstone",
    weights=None,
    reference=None,
    link: str = "error",
    level: float = 0.95,
    images=None,
    duplicates: str = "error",
    interval: str = "t",
    resamples: int = 200,
    seed: int = 0,
    indices=None,
    standardize: str | None = None,
) -> JodScale:
    """Scale pairwise votes to just-objectionable differences: 1 JOD apart means that 75 % prefer the better one.

    Lessons 01, 02, 03, 15.

    Parameters
    ----------
    votes : DataFrame
        Columns ``first, second, preferred`` ("first" | "second" | "tie") or ``winner, loser``; optional ``scene``,
        ``observer``, ``answered_at``. Each scene becomes a scale of its own. A tie is half a vote for each image.
    prior : {"eb", "none", "pwcmp"} or float
        "eb": q ~ N(0, SD^2) with the SD estimated from the scene's votes (reported). A number: that SD in JOD.
        "none": maximum likelihood. "pwcmp": pwcmp's objective.
    ci : {"sandwich", "bootstrap", "none"}
        "sandwich": clustered by observer, t with K - 1 degrees; without observers (or with one) Laplace's, which the
        report says. "bootstrap": resamples observers, without observers single votes.
    model : {"thurstone", "bradley-terry"}
    weights : str or array (V,), optional
        How often each vote counts.
    reference : image or dict scene -> image, optional
        The image at 0; by default the mean of the compared images is 0.
    link : {"error", "separate", "pwcmp"}
        What to do if no chain of votes joins two groups of images: refuse, scale each group for itself (the scene's
        name gets "[group 1]"), or add a made-up 1:1 vote between their best images as pwcmp does.
    level : float
        Of the intervals.
    images, duplicates :
        See :func:`pqa_lab.scaling.votes.tally_votes`.
    interval : {"t", "percentile"}
        Of the bootstrap: JOD -/+ t SE, or the percentiles of the resamples (too narrow with few observers).
    resamples, seed : int
        Of the bootstrap.
    indices : int array (R, K), optional
        Observers of each resample (from 0, in sorted order) instead of a random draw; for one scene.
    standardize : {None, "piq23"}
        "piq23": normalise each scene as PIQ23's public columns are. **Not JOD**: see :mod:`.published`.

    Returns
    -------
    JodScale

    Raises
    ------
    InputError
        One sentence about what is wrong with the votes.
    NoFiniteScale
        With "none" or "pwcmp", if images can move apart for ever.

    Notes
    -----
    The scale is that of the whole population: where observers differ in taste (SD t JOD an image), votes are less
    decided and JODs smaller by 1 / sqrt(1 + 2 t^2 / 1.4826^2) than each observer's own would be.

    Examples
    --------
    >>> votes = pd.DataFrame({"winner": ["a"] * 15 + ["b"] * 5, "loser": ["b"] * 15 + ["a"] * 5})
    >>> scale(votes, prior="none").table["jod"].round(3).tolist()  # 15 of 20 prefer a: 1 JOD apart
    [0.5, -0.5]
    """
    return _scale(
        tally_votes(votes, weights, images, duplicates), prior, ci, model=model, reference=reference, link=link,
        level=level, interval=interval, resamples=resamples, seed=seed, indices=indices, standardize=standardize,
    )  # fmt: skip


def scale_counts(
    counts,
    prior: str | float = "eb",
    ci: str = "sandwich",
    *,
    labels=None,
    ties=None,
    model: str = "thurstone",
    reference=None,
    link: str = "error",
    level: float = 0.95,
    interval: str = "t",
    resamples: int = 200,
    seed: int = 0,
    standardize: str | None = None,
) -> JodScale:
    """Scale a matrix of counts, C[i, j] = times i was preferred over j. Lesson 01.

    Counts name no observers, so "sandwich" falls back to Laplace's intervals and "bootstrap" resamples single votes:
    both are too narrow where observers differ in taste. ``prior, ci, model, reference, link, level, interval,
    resamples, seed, standardize`` and errors are those of :func:`scale`.

    Parameters
    ----------
    counts : array or DataFrame (N, N), or dict scene -> such
        Whole numbers, zero diagonal.
    labels : sequence (N,), optional
        Image names. (For one scene.)
    ties : array (N, N), optional
        Symmetric; each tie is half a vote for both. (For one scene.)

    Returns
    -------
    JodScale

    Examples
    --------
    >>> scale_counts([[0, 15], [5, 0]], prior="none", labels=["a", "b"]).table["jod"].round(3).tolist()
    [0.5, -0.5]
    """
    if isinstance(counts, dict):
        tallies = [tally_counts(c, scene=scene) for scene, c in counts.items()]
        if not tallies:
            raise InputError("There are no counts: the dict is empty.")
    else:
        tallies = [tally_counts(counts, labels, ties)]
    return _scale(
        tallies, prior, ci, model=model, reference=reference, link=link, level=level, interval=interval,
        resamples=resamples, seed=seed, indices=None, standardize=standardize,
    )  # fmt: skip


def _scale(
    tallies, prior, ci, *, model, reference, link, level, interval, resamples, seed, indices, standardize
) -> JodScale:
    _check(prior, ci, model, link, level, interval, resamples)
    if indices is not None and (len(tallies) > 1 or tallies[0].observer is None):
        raise InputError("indices name the observers of one scene: they need votes of one scene, with observers.")
    settings = {"prior": prior, "ci": ci, "model": model, "level": level, "interval": interval, "link": link}
    tallies = [part for tally in tallies for part in linked(tally, link)]
    fits = []
    for tally, q, ridge, inverse in _point_fits(tallies, prior, model):
        samples, notes = None, list(tally.notes)
        covariance, degrees = inverse, np.inf
        if ci == "none":
            covariance = np.full_like(inverse, np.nan)
        elif ci == "bootstrap":
            if prior == "pwcmp":
                boot = _pwcmp_bootstrap(tally, resamples, seed, indices)
            else:
                boot = bootstrap(tally, q, ridge, model, inverse, resamples, seed, indices)
            samples, covariance, degrees = _bootstrap_result(boot, tally, notes)
        elif tally.observer is None:
            notes.append("Votes name no observers: Laplace intervals, which take every vote as independent.")
        elif len(tally.observers) == 1:
            notes.append("One observer: the intervals cover this observer's own noise, not how people differ.")
        else:
            covariance = sandwich(tally, q, ridge, model, inverse)
            degrees = len(tally.observers) - 1
        fits.append(_gauged(tally, q, ridge, covariance, degrees, samples, settings, reference, notes))
    return JodScale(fits) if standardize is None else as_published(JodScale(fits), standardize)


def _check(prior, ci, model, link, level, interval, resamples) -> None:
    for name, value, allowed in (
        ("ci", ci, ("sandwich", "bootstrap", "none")),
        ("model", model, tuple(SCALES)),
        ("link", link, ("error", "separate", "pwcmp")),
        ("interval", interval, ("t", "percentile")),
    ):
        if value not in allowed:
            raise InputError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    if isinstance(prior, str) and prior not in ("eb", "none", "pwcmp"):
        raise InputError(f"prior must be eb, none, pwcmp or a number (its SD in JOD), not {prior!r}.")
    if not isinstance(prior, str) and not (np.isscalar(prior) and np.isfinite(prior) and prior > 0):
        raise InputError(f"The prior's SD must be a positive number of JOD, not {prior!r}.")
    if prior == "pwcmp" and model != "thurstone":
        raise InputError('prior="pwcmp" is defined for the Thurstone model only.')
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, not {level!r}.")
    if resamples < 2:
        raise InputError("A bootstrap needs at least two resamples.")


def _point_fits(tallies: list[Tally], prior, model):
    """JODs, ridge and inverse Hessian of every scale; scales of similar size are fitted in one batch."""
    if prior == "pwcmp":
        for tally in tallies:
            yield tally, *_pwcmp_fit(tally)
        return
    found = {}
    order = np.argsort([tally.n for tally in tallies], kind="stable")
    while len(order):
        widest = tallies[order[0]].n
        size = max(1, min(BATCH // max(widest * (widest - 1) // 2, 1), len(order)))
        batch, order = order[:size], order[size:]
        for k, (q, ridge) in zip(batch, _fit_batch([tallies[k] for k in batch], prior, model), strict=True):
            found[k] = (q, ridge)
    for k, tally in enumerate(tallies):
        q, ridge = found[k]
        yield tally, q, ridge, bread(tally, q, ridge, model)


def _pwcmp_fit(tally: Tally) -> tuple[np.ndarray, float, np.ndarray]:
    seen = compared(tally)
    part, n = tally.part(seen, tally.scene), seen.sum()
    try:
        found, hessian = pwcmp.fit(part.counts())
    except NoFiniteScale as error:
        raise NoFiniteScale(f"Scene {tally.scene}: {error}") from None
    q, inverse = np.zeros(tally.n), np.zeros((tally.n, tally.n))
    q[seen] = found
    # Both likelihood and prior run over ordered pairs, so the objective counts every vote twice.
    inverse[np.ix_(seen, seen)] = np.linalg.inv(hessian / 2 + np.trace(hessian) / n / n)
    return q, 0.0, inverse


def _fit_batch(tallies: list[Tally], prior, model) -> list[tuple[np.ndarray, float]]:
    n = max(tally.n for tally in tallies)
    keys = [tally.pairs.i * n + tally.pairs.j for tally in tallies]
    every = np.unique(np.concatenate(keys))
    pairs = Pairs(every // n, every % n, n)
    a, b = np.zeros((len(tallies), len(every))), np.zeros((len(tallies), len(every)))
    for row, (tally, key) in enumerate(zip(tallies, keys, strict=True)):
        place = np.searchsorted(every, key)
        a[row, place], b[row, place] = tally.ab
        if prior == "none" and not has_finite_scale(a[row, place][None], b[row, place][None], tally)[0]:
            raise NoFiniteScale(_no_finite_scale(tally))
    start = None
    if prior == "eb":
        sd, start = empirical_bayes(a, b, pairs, model)
        ridge = sd**-2
    else:
        ridge = np.full(len(tallies), 0.0 if prior == "none" else float(prior) ** -2)
    q, ok = newton(a, b, pairs, model, ridge, start=start)
    if not ok.all():
        raise NoFiniteScale(f"Scene {tallies[np.argmin(ok)].scene} did not converge: its images are all but separable.")
    return [(q[row, : tally.n], ridge[row]) for row, tally in enumerate(tallies)]


def _no_finite_scale(tally: Tally) -> str:
    label = strong_components(*tally.ab, tally)
    seen = compared(tally)
    names, size = np.unique(label[seen], return_counts=True)
    small = tally.images[seen & (label != names[np.argmax(size)])]
    return (
        f"The votes of scene {tally.scene} have no finite scale without a prior: {some(small)} won or lost every vote "
        'against the others; use prior="eb" or collect votes of the other kind.'
    )


def _pwcmp_bootstrap(tally: Tally, resamples: int, seed: int, indices) -> Bootstrap:
    units, times = draw(tally, resamples, np.random.default_rng(seed), indices)
    a, b = units.by_observer()
    i, j = tally.pairs.i, tally.pairs.j
    samples = []
    for row in times:
        ar, br = a.T @ row, b.T @ row
        counts = np.zeros((tally.n, tally.n))
        counts[i, j], counts[j, i] = ar, br
        try:
            samples.append(pwcmp.fit(counts, exact=not has_finite_scale(ar[None], br[None], tally)[0])[0])
        except NoFiniteScale:
            continue
    return Bootstrap(np.array(samples).reshape(-1, tally.n), len(times) - len(samples))


def _bootstrap_result(boot: Bootstrap, tally: Tally, notes: list[str]):
    total = len(boot.samples) + boot.lost
    if boot.lost:
        notes.append(f"{boot.lost} of {total} resamples had no finite optimum and are left out.")
    if len(boot.samples) < 2:
        raise NoFiniteScale(f"{boot.lost} of {total} resamples of scene {tally.scene} have no finite optimum.")
    if tally.observer is None:
        notes.append("Votes name no observers: the bootstrap resampled single votes, as if they were independent.")
        return boot.samples, np.cov(boot.samples.T), np.inf
    if len(tally.observers) == 1:
        raise InputError('A bootstrap over observers needs at least two observers; use ci="sandwich".')
    return boot.samples, np.cov(boot.samples.T), len(tally.observers) - 1


def _gauged(tally, q, ridge, covariance, degrees, samples, settings, reference, notes) -> SceneFit:
    """Put the zero where it was asked for; intervals depend on it."""
    n, seen = tally.n, compared(tally)
    zero = seen / seen.sum()
    if reference is not None:
        name = reference.get(tally.scene) if isinstance(reference, dict) else reference
        if name is not None:
            zero = np.zeros(n)
            zero[position(tally, name)] = 1
    shift = np.eye(n) - zero  # row i: q_i minus the zero
    jod, covariance = shift @ q, shift @ covariance @ shift.T
    if samples is not None:
        samples = samples @ shift.T
    if not ridge and not seen.all():
        q = np.where(seen, q, np.nan)
        jod[~seen] = np.nan
        covariance[~seen], covariance[:, ~seen] = np.nan, np.nan
    fit = SceneFit(tally, jod, covariance, jod, jod, degrees, ridge, q, settings, samples, notes)
    if settings["interval"] == "percentile" and samples is not None:
        tail = 50 * (1 - settings["level"])
        fit.low, fit.high = np.percentile(samples, [tail, 100 - tail], axis=0, method="hazen")
    else:
        width = fit.quantile(settings["level"]) * fit.se
        fit.low, fit.high = jod - width, jod + width
    return fit
