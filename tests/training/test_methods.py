"""Every method goes through the engine: two steps, a checkpoint, the same scores from it."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from training_toy import toy_rows

from pqa_lab.methods import METHODS
from pqa_lab.training import fit, load_checkpoint, predict


def two_steps(key, out):
    rows = toy_rows(scenes=3, images=4)
    torch.manual_seed(0)
    model = METHODS[key].tiny()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    recipe = dataclasses.replace(model.recipe, scenes_per_batch=2, images_per_scene=2, accumulate=1, warmup_epochs=0)
    history = fit(model, rows, recipe=recipe, out=out / "run", max_steps=2, progress=False, device="cpu")
    assert all(math.isfinite(record["loss"]) for record in history.records)
    assert any(not torch.equal(before[name], value) for name, value in model.named_parameters())
    loaded = load_checkpoint(history.checkpoint, key)
    assert type(loaded) is type(model)
    scores = [predict(m, rows.select(range(4)), progress=False)["score"] for m in (model, loaded)]
    np.testing.assert_array_equal(*scores)
    other = next(name for name in METHODS if name != key)
    with pytest.raises(ValueError, match=f"checkpoint of '{key}', not of '{other}'"):
        load_checkpoint(history.checkpoint, other)


def test_hyperiqa(tmp_path):
    two_steps("hyperiqa", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("key", [key for key in METHODS if key != "hyperiqa"])
def test_the_others(tmp_path, key):
    two_steps(key, tmp_path)
