import itertools

import datasets
import numpy as np
import pytest
import torch
from training_toy import toy, toy_rows

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import load_photo
from pqa_lab.scenes.sampler import SceneBatchSampler
from pqa_lab.training.data import KeyedBatches, Views, split_batch, split_validation, training_loader


def batches(rows, count, first=0, **options):
    sampler = SceneBatchSampler(rows["scene"][:], 2, 4, seed=0, distinct=True)
    loader = training_loader(rows, toy().views(train=True), sampler, first_step=first, **options)
    return list(itertools.islice(iter(loader), count))


def same(a, b):
    return torch.equal(a["views"]["image"], b["views"]["image"]) and torch.equal(a["jod"], b["jod"])


def test_a_batch_has_the_shapes_of_the_contract():
    (batch,) = batches(toy_rows(), 1)
    assert batch["views"]["image"].shape == (8, 1, 3, 8, 8)
    assert batch["jod"].shape == batch["jod_std"].shape == (8,)
    assert batch["jod"].dtype == torch.float32
    assert batch["scene"].dtype == torch.int64
    assert batch["scene"].bincount(minlength=4).tolist().count(4) == 2  # two scenes, four images each


def test_the_same_batches_with_workers_and_without_a_cache_and_from_the_middle():
    rows = toy_rows()
    plain = batches(rows, 6)  # an epoch has 4
    for other in (batches(rows, 6, num_workers=2), batches(rows, 6, cache=False)):
        assert all(same(a, b) for a, b in zip(plain, other, strict=True))
    assert all(same(a, b) for a, b in zip(plain[5:], batches(rows, 1, first=5), strict=True))
    assert not any(same(a, b) for a, b in itertools.combinations(plain, 2))


def test_torchs_global_generator_is_left_alone():
    rows, view = toy_rows(), toy().views(train=True)
    torch.manual_seed(3)
    next(iter(training_loader(rows, view, SceneBatchSampler(rows["scene"][:], 2, 4))))
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))


def test_repeats_that_fill_a_small_scene_have_their_own_crops():
    sampler = SceneBatchSampler(["a"] * 2, 1, 6)
    keys = next(iter(KeyedBatches(sampler, seed=0)))
    assert len(keys) == len(set(keys)) == 6


def test_processes_share_out_the_batch_and_the_crops():
    rows = toy_rows()
    sampler = SceneBatchSampler(rows["scene"][:], 2, 4, distinct=True)
    whole = next(iter(KeyedBatches(sampler, seed=1)))
    halves = [
        next(iter(KeyedBatches(SceneBatchSampler(rows["scene"][:], 2, 4, distinct=True, num_replicas=2, rank=r), 1)))
        for r in range(2)
    ]
    assert halves[0] + halves[1] == whole


def test_the_photo_is_what_load_photo_gives():
    rows = toy_rows(1, 2)
    stored = rows.cast_column("image", datasets.Image(decode=False))[1]["image"]["bytes"]
    views = Views(rows, toy().views(train=True))
    assert np.array_equal(views.photo(1), load_photo(stored))
    assert views.photo(1) is views.photo(1)  # kept decoded


def test_split_batch_cuts_between_scenes():
    (batch,) = batches(toy_rows(), 1)
    pieces = split_batch(batch, 2)
    assert [len(piece["scene"].unique()) for piece in pieces] == [1, 1]
    assert torch.equal(torch.cat([piece["views"]["image"] for piece in pieces]), batch["views"]["image"])


@pytest.mark.parametrize("by", ["scene", "image"])
def test_split_validation_is_a_partition_that_holds_out_whole_values(by):
    rows = toy_rows(10, 5).add_column("number", list(range(50)))
    train, held_out = split_validation(rows, by=by, fraction=0.2, seed=1)
    assert sorted(train["number"][:] + held_out["number"][:]) == list(range(50))
    assert len(held_out) == 10
    if by == "scene":
        assert not set(train["scene"]) & set(held_out["scene"])
    assert split_validation(rows, by=by, fraction=0.2, seed=1)[1]["number"][:] == held_out["number"][:]
    assert split_validation(rows, by=by, fraction=0.2, seed=2)[1]["number"][:] != held_out["number"][:]


def test_bad_rows_are_refused_with_a_sentence():
    rows = toy_rows(2, 2)
    sampler = SceneBatchSampler(rows["scene"][:], 1, 2)
    view = toy().views(train=True)
    without = rows.remove_columns("jod").add_column("jod", [1.0, None, float("nan"), 2.0])
    with pytest.raises(InputError, match="2 of 4 training rows have no JOD"):
        training_loader(without, view, sampler)
    with pytest.raises(InputError, match="4 of 4 training rows have no scene"):
        training_loader(rows.remove_columns("scene"), view, sampler)
    with pytest.raises(InputError, match="empty"):
        training_loader(rows.select([]), view, sampler)
    with pytest.raises(InputError, match="no column 'image'"):
        training_loader(rows.remove_columns("image"), view, sampler)
    with pytest.raises(InputError, match="at least two"):
        split_validation(toy_rows(1, 4))
    with pytest.raises(InputError, match="by='image'"):
        split_validation(rows, by="subject")
    with pytest.raises(InputError, match="between 0 and 1"):
        split_validation(rows, fraction=1.0)
