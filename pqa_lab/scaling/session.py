"""One observer at the pairs of one scene: what to show, the answer, undo, ties, resume. No photos, no Jupyter.

The faces over it (the annotator and the buttons in `pqa_lab.widgets`, the voting tab of the app) ask `current`, show it
and call `answer`. Everything lives in the `VoteStore`: a session made again over the same store goes on where it was.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .sampling import METHODS, next_pairs
from .store import VoteStore

BATCH = 10  # pairs planned ahead: few enough that the plan is up to date, enough that observers seldom collide


@dataclass(frozen=True)
class Pair:
    """What to show.

    Attributes
    ----------
    first, second : str
        The image on the left and on the right; which is which was drawn by lot.
    turn : str
        Names this showing. An answer that carries another turn's name is late or double, and is not counted.
    """

    first: str
    second: str
    turn: str


class PairSession:
    """Collect one observer's votes. Lesson 15.

    Parameters
    ----------
    images : sequence of str
        Names of the scene's images, two or more.
    store : VoteStore or path
        Where the votes go; several sessions and processes may share it.
    scene, observer : str
        Who votes on what; the same two names over the same store resume the session.
    method : str
        Which pair next: one of `pqa_lab.scaling.sampling.METHODS`.
    goal : int, optional
        Votes asked of this observer; by default 3 an image, at most every pair once.
    forbidden : sequence of (str, str)
        Pairs never to be shown.
    max_per_pair : int, optional
        Cap on a pair's votes over all observers. No observer sees a pair twice.
    seed : int
        With the names of scene and observer, decides what is left to chance.

    Raises
    ------
    InputError
        For fewer than two images, a name used twice, or an unknown method.
    """

    def __init__(
        self,
        images: Sequence[str],
        store: VoteStore | str,
        *,
        scene: str = "scene",
        observer: str = "me",
        method: str = "asap",
        goal: int | None = None,
        forbidden: Sequence[tuple[str, str]] = (),
        max_per_pair: int | None = None,
        seed: int = 0,
    ):
        self.images = [str(image) for image in images]
        if len(self.images) < 2:
            raise InputError(f"A session compares at least two images; it was given {len(self.images)}.")
        if len(set(self.images)) != len(self.images):
            raise InputError("Two images of the session have the same name; give each its own.")
        if not observer:
            raise InputError("A session needs the observer's name, so that votes of different people stay apart.")
        if method not in METHODS:
            raise InputError(f"There is no sampling method {method!r}; choose one of {', '.join(METHODS)}.")
        self.store = store if isinstance(store, VoteStore) else VoteStore(store)
        self.scene, self.observer, self.method = str(scene), str(observer), method
        self.max_per_pair = max_per_pair
        self._number = {name: k for k, name in enumerate(self.images)}
        self._forbidden = self._matrix(forbidden)
        n = len(self.images)
        possible = n * (n - 1) // 2 - int(np.triu(self._forbidden + self._forbidden.T, 1).astype(bool).sum())
        self.goal = min(3 * n if goal is None else goal, possible)
        self._rng = np.random.default_rng([seed, *self.scene.encode(), 0, *self.observer.encode()])

    @property
    def done(self) -> int:
        """Standing votes of this observer in this scene."""
        return self.store.count(self.scene, self.observer)

    @property
    def current(self) -> Pair | None:
        """The pair to show; None when the goal is reached or no pair is left."""
        done = self.done
        if done >= self.goal:
            return None
        plan = [pair for pair in self.store.plan(self.scene, self.observer) if set(pair) <= set(self._number)]
        if not plan:
            plan = self._plan_ahead()
        if not plan:
            return None
        first, second = plan[0]
        # The number alone does not tell a pair that was skipped; the names themselves must not reach a blind voter.
        digest = hashlib.sha256(f"{self.scene}\0{first}\0{second}".encode()).hexdigest()[:8]
        return Pair(first, second, f"{self.store.turn(self.scene, self.observer)}-{digest}")

    def answer(self, preferred: str, turn: str | None = None) -> bool:
        """Vote on the current pair; when this returns the vote is on the disk.

        Parameters
        ----------
        preferred : {"first", "second", "tie"}
        turn : str, optional
            `current.turn` as it was when the pair was shown.

        Returns
        -------
        bool
            Whether the vote counted: not if the turn is over (a double click, a second window) or the session finished.
        """
        pair = self.current
        if pair is None or (turn is not None and turn != pair.turn):
            return False
        number = int(pair.turn.split("-")[0])
        return self.store.add(self.scene, pair.first, pair.second, preferred, self.observer, number) is not None

    def undo(self) -> bool:
        """Take back this observer's last vote and show its pair again; False if there is none."""
        return self.store.undo(self.scene, self.observer) is not None

    def skip(self, turn: str | None = None) -> bool:
        """Leave the current pair for later: it goes to the end of the plan. It is not a tie, and no vote."""
        pair = self.current
        if pair is None or (turn is not None and turn != pair.turn):
            return False
        plan = self.store.plan(self.scene, self.observer)
        if len(plan) == 1:
            plan += self._plan_ahead()
        self.store.set_plan(self.scene, self.observer, plan[1:] + plan[:1])
        return True

    def votes(self) -> pd.DataFrame:
        """The scene's standing votes, all observers."""
        return self.store.votes(self.scene)

    def scale(self, **options):
        """JODs of the scene from everybody's votes so far; options as in `pqa_lab.scaling.scale`.

        Returns
        -------
        JodScale or None
            None before the first vote.
        """
        from . import scale

        votes = self.votes()
        votes = votes[votes["first"].isin(self.images) & votes["second"].isin(self.images)]
        if "observer" in votes:
            votes = votes.fillna({"observer": "anonymous"})
        return scale(votes, images=self.images, **options) if len(votes) else None

    def _plan_ahead(self) -> list[tuple[str, str]]:
        """Choose the next pairs from everybody's votes, and keep them in the store."""
        votes = self.votes()
        mine = self.store.votes(self.scene, observer=self.observer)
        share = votes["preferred"].map({"first": 1.0, "second": 0.0, "tie": 0.5}).to_numpy(float)
        counts = self._matrix(zip(votes["first"], votes["second"], strict=True), share)
        counts += self._matrix(zip(votes["second"], votes["first"], strict=True), 1 - share)
        planned = self.store.plan(self.scene, self.observer)
        pairs = next_pairs(
            counts,
            self.method,
            BATCH,
            seed=self._rng,
            pending=self._matrix(self.store.plans_of_others(self.scene, self.observer)),
            asked=self._matrix([*zip(mine["first"], mine["second"], strict=True), *planned]),
            forbidden=self._forbidden,
            max_per_pair=self.max_per_pair,
        )
        plan = [(self.images[i], self.images[j]) for i, j in pairs]
        self.store.set_plan(self.scene, self.observer, planned + plan)
        return plan

    def _matrix(self, pairs, amounts=None) -> np.ndarray:
        """Sum pairs of names into an (N, N) matrix; names that are not in the session are left out."""
        matrix = np.zeros((len(self.images), len(self.images)))
        for k, (first, second) in enumerate(pairs):
            if first in self._number and second in self._number:
                matrix[self._number[first], self._number[second]] += 1 if amounts is None else amounts[k]
        return matrix
