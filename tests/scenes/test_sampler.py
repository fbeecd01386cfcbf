"""The samplers: what an epoch contains, and that several processes share the very same batches."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from workers import batches_of_a_rank

from pqa_lab.errors import InputError
from pqa_lab.scenes.sampler import PairSampler, SceneBatchSampler

SIZES = {"a": 70, "b": 33, "c": 5, "d": 32, "e": 1, "f": 64}
SCENES = [scene for scene, size in SIZES.items() for _ in range(size)]
NAMES = np.array(SCENES)


@pytest.mark.parametrize("distinct", [False, True])
def test_every_image_comes_and_chunks_hold_one_scene(distinct):
    sampler = SceneBatchSampler(SCENES, 3, 8, seed=1, distinct=distinct)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert {len(batch) for batch in batches} == {24}
    assert {index for batch in batches for index in batch} == set(range(len(SCENES)))
    for batch in batches:
        scenes = [set(NAMES[batch[i : i + 8]]) for i in range(0, 24, 8)]
        assert all(len(scene) == 1 for scene in scenes)
        if distinct:
            assert len(set.union(*scenes)) == 3


def test_repeats_are_only_what_filling_needs():
    """Naive count: a scene of n images fills ceil(n / K) chunks; 27 chunks need no filling to make batches of 3."""
    scenes = [s for s, n in {"a": 70, "b": 33, "c": 5, "d": 32, "e": 3, "f": 64}.items() for _ in range(n)]
    counts = Counter(scenes[i] for batch in SceneBatchSampler(scenes, 2, 8) for i in batch)
    assert counts == {"a": 72, "b": 40, "c": 8, "d": 32, "e": 8, "f": 64}


def test_one_chunk_of_a_long_scene_has_no_repeats():
    sampler = SceneBatchSampler(["a"] * 64 + ["b"] * 64, 2, 32, distinct=True)
    for batch in sampler:
        assert len(set(batch)) == 64


def test_chunks_of_a_scene_may_share_a_batch_only_without_distinct():
    scenes = ["a"] * 64 + ["b"] * 8 + ["c"] * 8
    plain = [len(set(np.array(scenes)[batch])) for epoch in range(5) for batch in _epoch(scenes, epoch)]
    assert min(plain) == 1
    unequal = SceneBatchSampler(scenes, 2, 8, distinct=True)
    assert len(unequal) == 8  # as many batches as the longest scene has chunks
    assert {len(set(np.array(scenes)[batch])) for batch in unequal} == {2}


def _epoch(scenes, epoch):
    sampler = SceneBatchSampler(scenes, 2, 8)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_epoch_and_seed_draw_anew_and_repeat_exactly():
    first, again = (list(SceneBatchSampler(SCENES, 2, 8, seed=3)) for _ in range(2))
    assert first == again
    assert first != list(SceneBatchSampler(SCENES, 2, 8, seed=4))
    sampler = SceneBatchSampler(SCENES, 2, 8, seed=3)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_batches_of_one_process(world, distinct):
    alone = list(SceneBatchSampler(SCENES, 4, 8, seed=5, distinct=distinct))
    shards = [list(SceneBatchSampler(SCENES, 4, 8, 5, distinct, world, rank)) for rank in range(world)]
    assert [sum(parts, []) for parts in zip(*shards, strict=True)] == alone


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: SceneBatchSampler(["a", "a", "b"], 3, 2), "2 scenes, fewer than the 3"),
        (lambda: SceneBatchSampler(["a", None], 1, 2), "Row 1 has no scene"),
        (lambda: SceneBatchSampler([], 1, 2), "no rows"),
        (lambda: SceneBatchSampler(SCENES, 3, 2, num_replicas=2), "multiple"),
        (lambda: SceneBatchSampler(SCENES, 2, 2, num_replicas=2, rank=2), "Process 2"),
        (lambda: SceneBatchSampler(SCENES, 2, 0), "0 images a scene"),
        (lambda: PairSampler(SCENES, 3, num_replicas=2), "multiple"),
    ],
)
def test_bad_input_is_one_sentence(make, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        make()
    assert "\n" not in str(error.value)


def test_pairs_every_image_first_twice_with_a_partner_of_its_scene():
    pairs = PairSampler(SCENES, 6, seed=2).pairs()
    assert Counter(pairs[:, 0].tolist()) == dict.fromkeys(range(len(SCENES)), 2)
    assert (NAMES[pairs[:, 0]] == NAMES[pairs[:, 1]]).all()
    own = pairs[:, 0] == pairs[:, 1]
    assert set(NAMES[pairs[own, 0]]) == {"e"}  # the scene of one image
    # Every partner of the scene of five is possible and none is favoured: 5 x 4 ordered pairs.
    seen = Counter()
    for epoch in range(500):
        sampler = PairSampler(["c"] * 5, 2)
        sampler.set_epoch(epoch)
        seen.update(map(tuple, sampler.pairs().tolist()))
    assert set(seen) == {(i, j) for pair in combinations(range(5), 2) for i, j in (pair, pair[::-1])}
    assert max(seen.values()) / min(seen.values()) < 1.6  # 250 expected each


def test_pair_batches_hold_all_pairs_and_split_over_processes():
    sampler = PairSampler(SCENES, 6, seed=2)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    flat = np.concatenate([np.reshape(batch, (2, -1)).T for batch in batches])
    assert (flat == sampler.pairs()).all()
    shards = [list(PairSampler(SCENES, 6, 2, num_replicas=2, rank=rank)) for rank in range(2)]
    assert [len(batch) for batch in shards[0]] == [len(batch) for batch in shards[1]]
    joined = np.concatenate([np.reshape(b, (2, -1)).T for pair in zip(*shards, strict=True) for b in pair])
    assert (joined[: len(flat)] == flat).all()


@pytest.mark.slow
def test_two_real_processes_see_the_batches_of_one(tmp_path):
    import torch.multiprocessing as mp

    mp.spawn(batches_of_a_rank, args=(2, str(tmp_path), SCENES), nprocs=2)
