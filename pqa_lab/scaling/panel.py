"""A simulated panel of observers, so that every claim about scaling can be tested against a known truth.

The model is Thurstone's Case V in JOD units, with what real observers add to it:

    P(o prefers i to j) = (1 - lapse_o) Phi(((q_i + t_oi) - (q_j + t_oj) + bias_o) / sigma_o) + lapse_o / 2

with i the photo shown first, t_oi ~ N(0, taste_o^2) the observer's own offset for image i, and
sigma_o = SIGMA / sensitivity_o. SIGMA = 1 / Phi^-1(0.75) = 1.4826 makes one JOD the difference that 75 % of votes agree
on. A reverser answers with the opposite sign of the quality difference (the wrong key for "better"); taste and position
bias stay.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..errors import InputError
from .model import SIGMA

START = pd.Timestamp("2026-01-05T09:00:00Z")
SECONDS_PER_VOTE = 4


@dataclass(frozen=True)
class Observer:
    """One voter.

    Parameters
    ----------
    name : str
    sensitivity : float
        1 is the unit of the JOD scale, 0.5 is twice as noisy, 0 only guesses.
    taste : float
        SD in JOD of the observer's own offset per image; it stays the same over all votes of the observer.
    lapse : float
        Share of votes in [0, 1] that are a coin flip.
    bias : float
        Position bias in JOD: positive favours the photo shown first.
    reversed : bool
        Answers the opposite question.
    tie_width : float
        Votes "tie" when the felt difference is smaller than this many JOD; 0 never ties.
    """

    name: str
    sensitivity: float = 1.0
    taste: float = 0.0
    lapse: float = 0.0
    bias: float = 0.0
    reversed: bool = False
    tie_width: float = 0.0

    def __post_init__(self):
        if not 0 <= self.lapse <= 1:
            raise InputError(f"lapse of observer {self.name} is {self.lapse}; give a share between 0 and 1.")
        if min(self.sensitivity, self.taste, self.tie_width) < 0:
            raise InputError(f"sensitivity, taste and tie_width of observer {self.name} must not be negative.")


@dataclass(frozen=True)
class Panel:
    """``observers`` and the seed of their tastes: the same panel has the same tastes in every session."""

    observers: tuple[Observer, ...]
    seed: int = 0

    def __post_init__(self):
        names = [observer.name for observer in self.observers]
        if not names or len(set(names)) != len(names):
            raise InputError("A panel needs at least one observer, and every observer a name of their own.")

    def taste(self, n_images: int, scene: str = "") -> np.ndarray:
        """Offsets t_oi in JOD, shape (observers, n_images); each scene is a matter of taste of its own."""
        rng = np.random.default_rng([self.seed, zlib.crc32(str(scene).encode()), n_images])
        sd = np.array([observer.taste for observer in self.observers])
        return sd[:, None] * rng.standard_normal((len(self.observers), n_images))  # (O, N)


def make_panel(
    n: int,
    *,
    taste: float = 0.0,
    sensitivity_sd: float = 0.0,
    lapse: float = 0.0,
    bias_sd: float = 0.0,
    tie_width: float = 0.0,
    guessers: int = 0,
    reversers: int = 0,
    seed: int = 0,
) -> Panel:
    """A panel of n observers; the last ones are the guessers and the reversers. Lesson 15.

    Parameters
    ----------
    n : int
        Observers in all.
    taste, lapse, tie_width : float
        As in `Observer`, the same for everyone.
    sensitivity_sd : float
        SD of log sensitivity between observers.
    bias_sd : float
        SD of the position bias between observers, in JOD.
    guessers, reversers : int
        How many of the n only guess, and how many answer the opposite.
    seed : int
        Draws sensitivities, biases and (later) tastes.

    Returns
    -------
    Panel
    """
    if n < 1 or guessers < 0 or reversers < 0 or guessers + reversers > n:
        raise InputError(f"{guessers} guessers and {reversers} reversers do not fit into a panel of {n} observers.")
    rng = np.random.default_rng(seed)
    sensitivity = np.exp(sensitivity_sd * rng.standard_normal(n))
    bias = bias_sd * rng.standard_normal(n)
    width = len(str(n))
    people = [
        Observer(f"o{o + 1:0{width}d}", float(sensitivity[o]), taste, lapse, float(bias[o]), tie_width=tie_width)
        for o in range(n)
    ]
    first_guesser = n - guessers - reversers
    for o in range(first_guesser, n - reversers):
        people[o] = replace(people[o], lapse=1.0)
    for o in range(n - reversers, n):
        people[o] = replace(people[o], reversed=True)
    return Panel(tuple(people), seed)


def vote(
    qualities: Mapping[str, float] | pd.Series | Sequence[float] | np.ndarray,
    pairs: np.ndarray,
    panel: Panel,
    seed: int,
    *,
    scene: str = "simulated",
    observers: Sequence[int] | np.ndarray | None = None,
) -> pd.DataFrame:
    """Let the panel vote on the given pairs. Lesson 15.

    Parameters
    ----------
    qualities : mapping, Series or sequence
        True quality of each image in JOD; a sequence names its images 0, 1, ...
    pairs : array (M, 2) of int
        Positions of the photo shown first and of the one shown second.
    panel : Panel
    seed : int
        Draws the votes (not the tastes, which belong to the panel).
    scene : str
        Goes into the table and chooses the tastes.
    observers : array (M,) of int, optional
        Who votes on which pair; by default everyone equally often, in random order.

    Returns
    -------
    DataFrame
        The votes table: scene, first, second, preferred, observer, answered_at; one row a vote.
    """
    truth = pd.Series(qualities, dtype=float)
    q = truth.to_numpy()  # (N,)
    pairs = np.asarray(pairs, dtype=np.intp).reshape(-1, 2)  # (M, 2)
    if not np.isfinite(q).all():
        raise InputError("A quality is not a number; give every image a finite JOD.")
    if pairs.size and (pairs.min() < 0 or pairs.max() >= len(q)):
        raise InputError(f"A pair names an image outside 0..{len(q) - 1}.")
    if (pairs[:, 0] == pairs[:, 1]).any():
        raise InputError("A pair compares an image with itself.")
    rng = np.random.default_rng(seed)
    people = panel.observers
    o = rng.permutation(np.arange(len(pairs)) % len(people)) if observers is None else np.asarray(observers, np.intp)

    def of(field: str) -> np.ndarray:
        return np.array([getattr(person, field) for person in people], dtype=float)[o]  # (M,)

    i, j = pairs.T
    taste = panel.taste(len(q), scene)
    sign = 1 - 2 * of("reversed")
    # felt difference: sign (q_i - q_j) + t_oi - t_oj + bias_o + sigma_o e,  e ~ N(0, 1); multiplied by sensitivity_o
    clear = of("sensitivity") * (sign * (q[i] - q[j]) + taste[o, i] - taste[o, j] + of("bias"))
    felt = clear + SIGMA * rng.standard_normal(len(pairs))  # (M,)
    lapsed = rng.random(len(pairs)) < of("lapse")
    coin = rng.random(len(pairs)) < 0.5
    preferred = np.where(np.where(lapsed, coin, felt > 0), "first", "second").astype(object)
    preferred[~lapsed & (np.abs(felt) < of("tie_width"))] = "tie"
    names = truth.index.to_numpy(dtype=object)
    nth = pd.Series(o).groupby(o).cumcount().to_numpy()
    return pd.DataFrame(
        {
            "scene": scene,
            "first": names[i],
            "second": names[j],
            "preferred": preferred,
            "observer": np.array([person.name for person in people], dtype=object)[o],
            "answered_at": START + pd.to_timedelta(SECONDS_PER_VOTE * (nth + 1), unit="s"),
        }
    )


def simulate_votes(
    jods: Mapping[str, float] | pd.Series | Sequence[float] | np.ndarray,
    n_votes: int,
    observers: int | Panel = 20,
    seed: int = 0,
    *,
    scene: str = "simulated",
) -> pd.DataFrame:
    """Random pairs of the images, voted on by a panel: the votes table of a whole simulated session. Lessons 02, 15.

    Parameters
    ----------
    jods : mapping, Series or sequence
        True quality of each image in JOD.
    n_votes : int
    observers : int or Panel
        A number makes that many ideal observers.
    seed : int
    scene : str

    Returns
    -------
    DataFrame
        The votes table, n_votes rows.
    """
    n = len(jods)
    if n < 2:
        raise InputError("Votes need at least two images.")
    panel = make_panel(observers, seed=seed) if isinstance(observers, (int, np.integer)) else observers
    rng = np.random.default_rng([seed, 1])
    i = rng.integers(n, size=n_votes)
    j = (i + rng.integers(1, n, size=n_votes)) % n  # uniform over the other images, in random order
    return vote(jods, np.stack([i, j], axis=1), panel, seed, scene=scene)
