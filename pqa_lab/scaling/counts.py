"""Counts: C[i, j] = times image i was preferred over j; reading, checking, and making a ``Tally`` of them."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from .votes import Tally, read_table


def tally_counts(counts, labels=None, ties=None, scene: object = "all") -> Tally:
    """Check a matrix of counts, C[i, j] = times i was preferred over j.

    Parameters
    ----------
    counts : array or DataFrame (N, N)
        Whole numbers; the diagonal is zero.
    labels : sequence (N,), optional
        Image names; by default the DataFrame's, else 0 .. N-1.
    ties : array (N, N), optional
        Symmetric: how often the two were judged equal.
    """
    if labels is None and isinstance(counts, pd.DataFrame) and counts.shape[0] == counts.shape[1]:
        labels = counts.index if list(counts.index) == list(counts.columns) else counts.columns
    c = _count_matrix(counts, "Counts")
    n = len(c)
    images = np.arange(n) if labels is None else np.asarray(list(labels))
    if len(images) != n or len(set(images.tolist())) != n:
        raise InputError(f"Labels must be {n} different names, one a row of the counts.")
    i, j = np.nonzero(c)
    share, weight = np.ones(len(i)), c[i, j]
    if ties is not None:
        t = _count_matrix(ties, "Ties")
        if t.shape != c.shape or (t != t.T).any():
            raise InputError("Ties must be a symmetric matrix of the same size as the counts.")
        x, y = np.nonzero(np.triu(t))
        i, j, weight = np.r_[i, x], np.r_[j, y], np.r_[weight, t[x, y]]
        share = np.r_[share, np.full(len(x), 0.5)]
    if not len(i):
        raise InputError("There are no votes: every count is zero.")
    return Tally(scene, images, i, j, share, weight)


def _count_matrix(counts, what: str) -> np.ndarray:
    try:
        c = np.asarray(counts, float)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be a matrix of numbers.") from None
    if c.ndim != 2 or c.shape[0] != c.shape[1]:
        raise InputError(f"{what} must be a square matrix, one row and one column an image; got shape {c.shape}.")
    if len(c) < 2:
        raise InputError("One image has no scale: at least two are needed.")
    if np.isnan(c).any() or np.isinf(c).any():
        raise InputError(f"{what} hold an empty or infinite entry; use 0 for pairs that were not compared.")
    if (c < 0).any():
        raise InputError(f"{what} must not be negative.")
    if (c != np.round(c)).any():
        raise InputError(f"{what} must be whole numbers of votes; give judgements of equality as ties.")
    if np.diagonal(c).any():
        raise InputError(f"{what} on the diagonal compare an image with itself; they must be zero.")
    return c


def read_counts(path: str | Path) -> pd.DataFrame:
    """Read a square matrix of counts from .csv or .tsv, with or without image names in the first row and column."""
    table = read_table(path, header=None)
    head = pd.to_numeric(table.iloc[0], errors="coerce")
    if table.shape[0] == table.shape[1] and head.notna().all():
        return table
    if table.shape[0] == table.shape[1] + 1:  # names above only
        names, body = table.iloc[0], table.iloc[1:]
    else:  # names above and at the side
        names, body = table.iloc[0, 1:], table.iloc[1:, 1:]
    try:
        values = body.astype(float).to_numpy()
    except (TypeError, ValueError):
        raise InputError(
            "Counts must be a matrix of numbers, with names at most in the first row and column."
        ) from None
    if values.shape[0] != values.shape[1]:
        raise InputError(f"Counts must be a square matrix, one row and one column an image; got shape {values.shape}.")
    return pd.DataFrame(values, index=list(names), columns=list(names))
