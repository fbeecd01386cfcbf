"""Votes: reading, checking, and sorting them into one ``Tally`` a scene.

A votes table has one row a vote, in one of two forms:

    first, second, preferred ("first" | "second" | "tie")      [scene, observer, answered_at]
    winner, loser                                              [scene, observer, answered_at]

The columns in brackets may be missing; other columns are left alone. A tie counts as half a vote for each image.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from ..errors import InputError
from .newton import Pairs

WORTH = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass
class Tally:
    """The votes of one scale.

    Attributes
    ----------
    scene : object
        Name of the scene, "all" if the votes name none.
    images : array (N,)
        Names, in the order of every vector and matrix.
    first, second : int arrays (V,)
        Image numbers; ``first`` was shown first where ``positions`` is true.
    share : array (V,)
        What of the vote went to ``first``: 1, 0.5 or 0.
    weight : array (V,)
        How often the row counts.
    observer : int array (V,) or None
        Observer numbers into ``observers``.
    """

    scene: object
    images: np.ndarray
    first: np.ndarray
    second: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    observer: np.ndarray | None = None
    observers: np.ndarray | None = None
    positions: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.images)

    @cached_property
    def _pairs(self) -> tuple[Pairs, np.ndarray]:
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        keys, pair = np.unique(low * self.n + high, return_inverse=True)
        return Pairs(keys // self.n, keys % self.n, self.n), pair

    @property
    def pairs(self) -> Pairs:
        """The P pairs that were compared."""
        return self._pairs[0]

    @property
    def pair(self) -> np.ndarray:
        """Pair number of each vote (V,)."""
        return self._pairs[1]

    @cached_property
    def to_lower(self) -> np.ndarray:
        """What of each vote went to the lower-numbered image of its pair (V,)."""
        return np.where(self.first < self.second, self.share, 1 - self.share)

    def by_observer(self) -> tuple[csr_array, csr_array]:
        """Votes for i over j and for j over i of each observer, sparse (K, P)."""
        shape = (len(self.observers), len(self.pairs.i))
        place = (self.observer, self.pair)
        a = csr_array((self.weight * self.to_lower, place), shape=shape)
        b = csr_array((self.weight * (1 - self.to_lower), place), shape=shape)
        return a, b

    @cached_property
    def ab(self) -> tuple[np.ndarray, np.ndarray]:
        """Votes for i over j and for j over i, (P,) each."""
        size = len(self.pairs.i)
        a = np.bincount(self.pair, self.weight * self.to_lower, size)
        return a, np.bincount(self.pair, self.weight * (1 - self.to_lower), size)

    def counts(self) -> np.ndarray:
        """C[i, j] = votes for i over j, (N, N)."""
        c = np.zeros((self.n, self.n))
        a, b = self.ab
        c[self.pairs.i, self.pairs.j], c[self.pairs.j, self.pairs.i] = a, b
        return c

    @cached_property
    def comparisons(self) -> np.ndarray:
        """Votes that each image took part in (N,)."""
        total = np.bincount(self.first, self.weight, self.n) + np.bincount(self.second, self.weight, self.n)
        return total

    def part(self, images: np.ndarray, scene: object) -> "Tally":
        """The votes among some of the images (bool mask (N,)), as a scale of its own."""
        keep = images[self.first] & images[self.second]
        number = np.cumsum(images) - 1
        observer, observers = self.observer, self.observers
        if observer is not None:
            codes, observer = np.unique(observer[keep], return_inverse=True)
            observers = observers[codes]
        first, second = number[self.first[keep]], number[self.second[keep]]
        rest = (self.share[keep], self.weight[keep], observer, observers, self.positions, self.notes)
        return Tally(scene, self.images[images], first, second, *rest)


def _names(column: pd.Series) -> pd.Series:
    """Names as they are; as text where text and numbers are mixed, which cannot be sorted."""
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True).startswith("mixed"):
        return column.astype(str)
    return column


def tally_votes(votes: pd.DataFrame, weights=None, images=None, duplicates: str = "error") -> list[Tally]:
    """Check a votes table and sort it into scenes.

    Parameters
    ----------
    votes : DataFrame
        See the top of this file.
    weights : str, array (V,) or None
        How often each vote counts: a column's name or one number a row.
    images : sequence or dict of sequences, optional
        Every image of the scale (by scene if there are several), so that those without a vote are reported too.
    duplicates : {"error", "drop", "keep"}
        What to do with rows that repeat the same observer, images, answer *and* ``answered_at``: the mark of a file
        that was joined to itself. The same question answered twice at different times is two votes.

    Raises
    ------
    InputError
        One sentence for anything that makes the table unusable.
    """
    if not isinstance(votes, pd.DataFrame):
        raise InputError(f"Votes must be a pandas table, not {type(votes).__name__}; read a file with read_votes.")
    table = votes.reset_index(drop=True)
    positions = {"first", "second", "preferred"} <= set(table.columns)
    if not positions and not {"winner", "loser"} <= set(table.columns):
        found = ", ".join(map(str, table.columns)) or "none"
        raise InputError(
            f"Votes need the columns first, second, preferred (or winner, loser); this table has: {found}."
        )
    if not len(table):
        raise InputError("There are no votes: the table is empty.")
    if not positions:
        table = table.rename(columns={"winner": "first", "loser": "second"})
    for name in ("scene", "first", "second", "preferred", "observer"):
        if name in table and (name != "preferred" or positions) and table[name].isna().any():
            row = int(table[name].isna().idxmax())
            raise InputError(f"Column {name} is empty in {int(table[name].isna().sum())} votes (first in row {row}).")
    weight = _weights(table, weights)
    table, weight = _without_duplicates(table, weight, duplicates)

    if positions:
        answers, kinds = pd.factorize(table["preferred"])
        strange = [kind for kind in kinds if kind not in WORTH]
        if strange:
            raise InputError(f'Column preferred must say "first", "second" or "tie"; found {strange[0]!r}.')
        share = np.array([WORTH[kind] for kind in kinds])[answers]
    else:
        share = np.ones(len(table))
    both, names = pd.factorize(_names(pd.concat([table["first"], table["second"]], ignore_index=True)), sort=True)
    first, second = both[: len(table)], both[len(table) :]
    if (first == second).any():
        row = int(np.argmax(first == second))
        name = names[first[row]]
        raise InputError(f"{int((first == second).sum())} votes compare an image with itself (row {row}: {name}).")
    table, first, second = table[weight > 0], first[weight > 0], second[weight > 0]
    share, weight = share[weight > 0], weight[weight > 0]
    scene, scenes = _codes(table, "scene", "all")
    observer, observers = _codes(table, "observer", None) if "observer" in table else (None, None)
    return _by_scene(
        scene, scenes, names, first, second, share, weight, observer, observers, positions, _images(images, scenes)
    )


def _codes(table: pd.DataFrame, name: str, default) -> tuple[np.ndarray, np.ndarray]:
    if name not in table:
        return np.zeros(len(table), int), np.array([default], object)
    codes, values = pd.factorize(_names(table[name]), sort=True)
    return codes, np.asarray(values)


def _weights(table: pd.DataFrame, weights) -> np.ndarray:
    if weights is None:
        return np.ones(len(table))
    if isinstance(weights, str):
        if weights not in table:
            raise InputError(f"There is no column {weights} to weigh the votes by.")
        weights = table[weights]
    try:
        weight = np.asarray(weights, float)
    except (TypeError, ValueError):
        raise InputError("Weights must be numbers, one a vote.") from None
    if weight.shape != (len(table),):
        raise InputError(f"Weights must be one number a vote: {len(table)} votes, but shape {weight.shape}.")
    if not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise InputError("Weights must be finite, not negative, and not all zero.")
    return weight


def _without_duplicates(table: pd.DataFrame, weight: np.ndarray, duplicates: str) -> tuple[pd.DataFrame, np.ndarray]:
    if duplicates not in ("error", "drop", "keep"):
        raise InputError(f'duplicates must be "error", "drop" or "keep", not {duplicates!r}.')
    if duplicates == "keep" or "answered_at" not in table or "observer" not in table:
        return table, weight
    if not table.duplicated(["observer", "answered_at"]).any():
        return table, weight
    names = ["scene", "observer", "first", "second", "preferred", "answered_at"]
    names = [name for name in names if name in table]
    again = (table.duplicated(names) & table["answered_at"].notna()).to_numpy()
    if not again.any():
        return table, weight
    if duplicates == "error":
        row = int(np.argmax(again))
        raise InputError(
            f"{int(again.sum())} votes stand in the table twice, with the same observer and answered_at (row {row}); "
            'drop them with duplicates="drop" or keep them with duplicates="keep".'
        )
    return table[~again].reset_index(drop=True), weight[~again]


def _images(images, scenes) -> dict:
    if images is None:
        return {}
    if isinstance(images, dict):
        unknown = set(images) - set(scenes)
        if unknown:
            raise InputError(f"Images are listed for a scene without votes: {sorted(map(str, unknown))[0]}.")
        return images
    if len(scenes) > 1:
        raise InputError("The votes have several scenes, so images must be a dict: scene -> its images.")
    return {scenes[0]: images}


def _by_scene(scene, scenes, names, first, second, share, weight, observer, observers, positions, images):
    # (scene, image) -> number within the scene, for all votes in one sort.
    width = len(names)
    keys, both = np.unique(np.r_[scene * width + first, scene * width + second], return_inverse=True)
    starts = np.searchsorted(keys, np.arange(len(scenes) + 1) * width)
    order = np.argsort(scene, kind="stable")
    ends = np.searchsorted(scene[order], np.arange(len(scenes) + 1))
    tallies = []
    for k, name in enumerate(scenes):
        rows = order[ends[k] : ends[k + 1]]
        here = np.asarray(names[keys[starts[k] : starts[k + 1]] % width])
        one, two = both[rows] - starts[k], both[rows + len(first)] - starts[k]
        if name in images:
            here, place = _reorder(here, images[name], name)
            one, two = place[one], place[two]
        who, whos = None, None
        if observer is not None:
            codes, who = np.unique(observer[rows], return_inverse=True)
            whos = observers[codes]
        tallies.append(Tally(name, here, one, two, share[rows], weight[rows], who, whos, positions))
    return tallies


def _reorder(here: np.ndarray, listed, scene) -> tuple[np.ndarray, np.ndarray]:
    listed = pd.Index(list(listed))
    if not listed.is_unique:
        raise InputError(f"An image is listed twice for scene {scene}.")
    place = listed.get_indexer(here)
    if (place < 0).any():
        raise InputError(f"Image {here[np.argmin(place)]} of scene {scene} has votes but is not in the list of images.")
    return listed.to_numpy(), place


def read_votes(path: str | Path) -> pd.DataFrame:
    """Read votes from .csv, .tsv or .parquet (forms: top of this file)."""
    return read_table(path)


def read_table(path: str | Path, **options) -> pd.DataFrame:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path.name}.")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", **options)
    except Exception as error:  # pandas raises many kinds for a file that is not a table
        raise InputError(f"{path.name} is not a table that can be read ({type(error).__name__}).") from None
