r"""Do predicted chances of winning come true? The calibration curve of a ranker on photos with votes.

A score in JODs predicts :math:`P(i \succ j) = \Phi((s_i - s_j)/\sigma)`, :math:`\sigma = 1/\Phi^{-1}(3/4)`. Of the
pairs that are given a chance of 80 %, viewers should prefer the first photo in 80 % of the votes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from pqa_lab.errors import InputError

SIGMA = 1 / ndtri(0.75)
EDGES = np.linspace(0.5, 1.0, 6)


def predicted_chances(frame: pd.DataFrame, votes: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """Chance and votes of every pair that was voted on, the favourite first. Lesson 14.

    Parameters
    ----------
    frame : DataFrame
        One row an image: ``scene, image, score`` in JODs, or in units of ``1 / scale`` JOD.
    votes : DataFrame
        ``scene, first, second, preferred``; ``first`` and ``second`` are values of ``image``. A tie is half a win
        each; a pair of which an image has no score is left out.

    Returns
    -------
    DataFrame
        One row a pair: ``scene, chance`` (0.5 to 1), ``votes, wins`` of the favourite.
    """
    score = frame.set_index(["scene", "image"])["score"]
    if score.index.has_duplicates:
        raise InputError("An image occurs twice in a scene: give the scores of one model at a time.")
    first, second = (
        score.reindex(pd.MultiIndex.from_frame(votes[["scene", side]])).to_numpy() for side in ("first", "second")
    )
    # P(i > j) = Phi((s_i - s_j) / sigma)
    chance = ndtr(scale * (first - second) / SIGMA)
    won = votes["preferred"].map({"first": 1.0, "second": 0.0, "tie": 0.5}).to_numpy()
    swap = (chance < 0.5) | ((chance == 0.5) & (votes["first"] > votes["second"]).to_numpy())
    table = pd.DataFrame(
        {
            "scene": votes["scene"].to_numpy(),
            "a": np.where(swap, votes["second"], votes["first"]),
            "b": np.where(swap, votes["first"], votes["second"]),
            "chance": np.where(swap, 1 - chance, chance),
            "wins": np.where(swap, 1 - won, won),
            "votes": 1,
        }
    ).dropna(subset=["chance"])
    if table.empty:
        raise InputError("No vote compares two photos that have scores.")
    pairs = table.groupby(["scene", "a", "b"], as_index=False).agg({"chance": "first", "votes": "sum", "wins": "sum"})
    return pairs[["scene", "chance", "votes", "wins"]]


def calibration_curve(pairs: pd.DataFrame, edges: np.ndarray = EDGES) -> pd.DataFrame:
    """Bins of predicted chance: ``low, high, chance`` (mean, weighted by votes), ``share`` of votes won, ``votes``.

    Lesson 14.
    """
    rows = []
    for low, high, part in _bins(pairs, edges):
        votes = part["votes"].sum()
        chance = (part["chance"] * part["votes"]).sum() / votes if votes else np.nan
        rows.append((low, high, chance, part["wins"].sum() / votes if votes else np.nan, int(votes)))
    return pd.DataFrame(rows, columns=["low", "high", "chance", "share", "votes"])


def calibration_error(
    pairs: pd.DataFrame, edges: np.ndarray = EDGES, resamples: int = 2000, seed: int = 0
) -> dict[str, float]:
    r"""Expected calibration error, with a bootstrap interval over scenes. Lesson 14.

    .. math:: ECE = \sum_b \frac{n_b}{n} \left| \bar p_b - \frac{w_b}{n_b} \right|

    over bins b of predicted chance, with n votes and w wins of the favourite. It is at least 0, so chance alone lifts
    it: ``floor`` is the mean ECE of votes drawn from the predicted chances themselves (independent votes; those of one
    panel are not quite).

    Returns
    -------
    dict
        ``ece, low, high, floor, scenes, votes``.
    """
    scenes = sorted(pairs["scene"].unique())
    place = {name: i for i, name in enumerate(scenes)}
    sums = np.zeros((3, len(scenes), len(edges) - 1))  # votes, chance x votes, wins; (3, S, bins)
    for b, (_, _, part) in enumerate(_bins(pairs, edges)):
        index = part["scene"].map(place).to_numpy(dtype=int)
        for row, values in enumerate((part["votes"], part["chance"] * part["votes"], part["wins"])):
            np.add.at(sums[row, :, b], index, values.to_numpy(dtype=float))
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(scenes), np.full(len(scenes), 1 / len(scenes)), size=resamples)  # (R, S)
    replicate = _ece(np.einsum("rs,csb->crb", draws, sums))
    low, high = np.quantile(replicate, [0.025, 0.975])
    bins = np.clip(np.searchsorted(edges, pairs["chance"], side="right") - 1, 0, len(edges) - 2)
    drawn = rng.binomial(pairs["votes"], pairs["chance"], size=(200, len(pairs)))  # (200, pairs)
    wins = np.stack([drawn[:, bins == b].sum(axis=1) for b in range(len(edges) - 1)], axis=1)  # (200, bins)
    whole = sums.sum(axis=1)  # (3, bins)
    floor = _ece(np.stack([np.broadcast_to(whole[0], wins.shape), np.broadcast_to(whole[1], wins.shape), wins]))
    return {
        "ece": float(_ece(whole)),
        "low": float(low),
        "high": float(high),
        "floor": float(floor.mean()),
        "scenes": len(scenes),
        "votes": int(whole[0].sum()),
    }


def _ece(sums: np.ndarray) -> np.ndarray:
    """(3, ..., bins) sums of votes, chance x votes and wins -> (...)."""
    votes, chances, wins = sums
    return np.abs(chances - wins).sum(axis=-1) / votes.sum(axis=-1)


def _bins(pairs: pd.DataFrame, edges: np.ndarray) -> list[tuple[float, float, pd.DataFrame]]:
    index = np.clip(np.searchsorted(edges, pairs["chance"], side="right") - 1, 0, len(edges) - 2)
    return [(edges[b], edges[b + 1], pairs[index == b]) for b in range(len(edges) - 1)]
