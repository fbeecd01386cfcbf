"""Batches that can teach ranking: several images of few scenes, and pairs within a scene.

Scores of different scenes are not comparable, so a loss that compares images needs a batch with several images a scene.

- `SceneBatchSampler`: the survey's section on RQ-Net *states* P = 4 scenes x K = 32 images. *From public code*
  (ZachL1/SIND, read, not copied): every scene's list is padded to a multiple of K with random repeats, shuffled and cut
  into chunks of K; the chunks of all scenes are shuffled together and P of them make a batch, so a scene may come twice
  in a batch. *Ours*: ``distinct=True`` keeps the P scenes of a batch different; a short last batch is filled with
  further random chunks, so that every process takes the same number of equal steps.
- `PairSampler`: *from public code* of PQE (sunwei925/DN-PIQA): every training image is twice the first of a pair,
  with a random partner of its scene. *Ours*: no image is its own partner (1 % of the published pairs are), unless it is
  alone.

Both are batch samplers for ``torch.utils.data.DataLoader(batch_sampler=...)`` and shard themselves: give every process
its ``rank``. Do not let Accelerate shard the loader a second time.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from pqa_lab.errors import InputError


def _by_scene(scene_ids: Sequence) -> list[np.ndarray]:
    """Indices of each scene, in the order in which the scenes first appear."""
    groups: dict[object, list[int]] = {}
    for index, scene in enumerate(scene_ids):
        if scene is None:
            raise InputError(f"Row {index} has no scene: the sampler needs the scene of every row.")
        groups.setdefault(scene, []).append(index)
    if not groups:
        raise InputError("There are no rows to sample from.")
    return [np.asarray(members) for members in groups.values()]


def _check_shard(what: str, count: int, num_replicas: int, rank: int) -> None:
    if not 0 <= rank < num_replicas:
        raise InputError(f"Process {rank} does not exist: {num_replicas} processes are numbered from 0.")
    if count < 1 or count % num_replicas:
        raise InputError(f"{count} {what} a batch cannot be shared by {num_replicas} processes: use a multiple.")


class SceneBatchSampler:
    """P scenes x K images a batch; every image at least once an epoch; short scenes repeated at random. Lesson 12.

    Parameters
    ----------
    scene_ids : sequence of length N
        The scene of every row (any hashable: names or numbers).
    scenes_per_batch : int
        P, over all processes together.
    images_per_scene : int
        K.
    seed : int
        With the epoch it fixes the batches.
    distinct : bool
        Whether the P chunks of a batch come from P different scenes. False is RQ-Net's way.
    num_replicas, rank : int
        How many processes share a batch, and which of them this is. The global batches do not depend on
        ``num_replicas``: process r takes the r-th block of P / num_replicas chunks of each, so that a scene's K images
        stay together.

    Raises
    ------
    InputError
        Fewer scenes than P, a row without a scene, or P that is not a multiple of ``num_replicas``.
    """

    def __init__(
        self,
        scene_ids: Sequence,
        scenes_per_batch: int = 4,
        images_per_scene: int = 32,
        seed: int = 0,
        distinct: bool = False,
        num_replicas: int = 1,
        rank: int = 0,
    ):
        self.scenes = _by_scene(scene_ids)
        _check_shard("scenes", scenes_per_batch, num_replicas, rank)
        if images_per_scene < 1:
            raise InputError(f"{images_per_scene} images a scene make no batch: use at least 1, and 2 to compare.")
        if len(self.scenes) < scenes_per_batch:
            raise InputError(
                f"The rows have {len(self.scenes)} scenes, fewer than the {scenes_per_batch} of a batch: "
                "add scenes or lower scenes_per_batch."
            )
        self.P, self.K = scenes_per_batch, images_per_scene
        self.seed, self.distinct, self.epoch = seed, distinct, 0
        self.num_replicas, self.rank = num_replicas, rank

    def set_epoch(self, epoch: int) -> None:
        """Draw the batches anew for this epoch; every process must call it with the same number."""
        self.epoch = epoch

    def __len__(self) -> int:
        chunks = [-(-len(members) // self.K) for members in self.scenes]
        batches = -(-sum(chunks) // self.P)
        # With P different scenes a batch holds at most one chunk of the longest scene.
        return max(batches, max(chunks)) if self.distinct else batches

    def __iter__(self) -> Iterator[list[int]]:
        share = self.P // self.num_replicas
        for batch in self.global_batches():
            mine = batch[self.rank * share : (self.rank + 1) * share]  # (P / num_replicas, K)
            yield mine.ravel().tolist()

    def global_batches(self) -> Iterator[np.ndarray]:
        """The batches of all processes together: arrays (P, K) of row indices, one scene a line."""
        rng = np.random.default_rng([self.seed, self.epoch])
        queues = [self._chunks(members, rng) for members in self.scenes]
        plan = self._distinct_plan(queues, rng) if self.distinct else self._plan(queues, rng)
        for scenes in plan:
            yield np.stack([queues[s].pop() if queues[s] else self._extra(s, rng) for s in scenes])

    def _chunks(self, members: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        pad = -len(members) % self.K
        repeats = rng.choice(members, pad, replace=pad > len(members))
        return list(rng.permutation(np.concatenate([members, repeats])).reshape(-1, self.K))

    def _extra(self, scene: int, rng: np.random.Generator) -> np.ndarray:
        members = self.scenes[scene]
        return rng.choice(members, self.K, replace=len(members) < self.K)

    def _plan(self, queues: list[list], rng: np.random.Generator) -> np.ndarray:
        """Which scene fills each place, (batches, P): all chunks shuffled together."""
        order = np.repeat(np.arange(len(queues)), [len(queue) for queue in queues])
        fill = rng.integers(len(queues), size=-len(order) % self.P)
        return np.concatenate([rng.permutation(order), fill]).reshape(-1, self.P)

    def _distinct_plan(self, queues: list[list], rng: np.random.Generator) -> np.ndarray:
        """The same with P different scenes a line: always those with the most chunks left, ties and order at random."""
        left = np.array([len(queue) for queue in queues], dtype=float)
        plan = []
        while left.max() > 0:
            # A scene that has none left lends further random chunks, the least lent first (left turns negative).
            chosen = np.argsort(-(left + rng.uniform(0, 0.5, len(left))))[: self.P]
            left[chosen] -= 1
            plan.append(rng.permutation(chosen))
        return rng.permutation(np.array(plan))


class PairSampler:
    """Pairs of the same scene: every image is twice the first of a pair, with a random partner.

    A batch is a flat list of 2n row indices, the n firsts and then their n seconds: ``first, second = x[:n], x[n:]``.

    Parameters
    ----------
    scene_ids : sequence of length N
        The scene of every row.
    pairs_per_batch : int
        n, over all processes together; the last batch of an epoch may be shorter.
    seed : int
        With the epoch it fixes the pairs. Without `set_epoch` they stay the same, as in the published list of pairs.
    num_replicas, rank : int
        As in `SceneBatchSampler`. With several processes the last batch is filled up to a multiple with first pairs.

    Raises
    ------
    InputError
        A row without a scene, or ``pairs_per_batch`` that is not a multiple of ``num_replicas``.
    """

    def __init__(
        self, scene_ids: Sequence, pairs_per_batch: int = 6, seed: int = 0, num_replicas: int = 1, rank: int = 0
    ):
        self.scenes = _by_scene(scene_ids)
        _check_shard("pairs", pairs_per_batch, num_replicas, rank)
        self.n, self.seed, self.epoch = pairs_per_batch, seed, 0
        self.num_replicas, self.rank = num_replicas, rank

    def set_epoch(self, epoch: int) -> None:
        """Draw the pairs anew for this epoch."""
        self.epoch = epoch

    def pairs(self) -> np.ndarray:
        """All pairs of the epoch in order, (2N, 2) row indices: first, second."""
        rng = np.random.default_rng([self.seed, self.epoch])
        found = []
        for members in self.scenes:
            first = np.tile(np.arange(len(members)), 2)
            # A shift of 1 .. n-1 places round the scene reaches every image but the first itself.
            shift = rng.integers(1, len(members), size=len(first)) if len(members) > 1 else 0
            found.append(np.stack([members[first], members[(first + shift) % len(members)]], axis=1))
        return rng.permutation(np.concatenate(found))  # (2N, 2)

    def __len__(self) -> int:
        return -(-2 * sum(map(len, self.scenes)) // self.n)

    def __iter__(self) -> Iterator[list[int]]:
        pairs = self.pairs()
        pairs = np.concatenate([pairs, pairs[: -len(pairs) % self.num_replicas]])
        for start in range(0, len(pairs), self.n):
            batch = pairs[start : start + self.n]
            share = len(batch) // self.num_replicas
            yield batch[self.rank * share : (self.rank + 1) * share].T.ravel().tolist()
