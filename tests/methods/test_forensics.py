"""Parameter forensics: every row of Table 2 is reached, and the blind counter is the one that thop is."""

import pandas as pd
import pytest
import torch
from torch import nn

from pqa_lab.methods.forensics import THOP_BLIND, count_parameters, parameter_forensics
from pqa_lab.methods.rqnet import RQNet


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return parameter_forensics().set_index("method")


def test_every_row_of_table_2_is_rebuilt_within_a_percent(table):
    published = {"rqnet": 57.6, "bdvqa": 794, "pqe": 174, "monet": 408, "sar": 149, "hyperiqa": 128}
    published |= {"sem_hyperiqa": 145, "fhiqa": 145}
    assert table["survey_m"].to_dict() == published
    assert (table["gap_percent"].abs() < 1).all()
    exact = {"rqnet": 57.66, "pqe": 174.08, "monet": 408.18, "hyperiqa": 128.17, "sem_hyperiqa": 145.27}
    for method, millions in exact.items():
        assert table.loc[method, "reconstructed_m"] == pytest.approx(millions, abs=0.006)
    assert table.loc["rqnet", "ours_m"] == pytest.approx(86.60, abs=0.006)
    assert table.loc["sar", "ours_m"] == pytest.approx(135.02, rel=0.01)
    assert table["reconstruction"].str.len().min() > 10


def seen_by_hooks(model: nn.Module, x: torch.Tensor) -> int:
    """What thop does: add up the weights of modules of known exact class whose forward is called."""
    known = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.LayerNorm)
    seen = {}
    for module in model.modules():
        if type(module) in known:
            module.register_forward_hook(lambda m, *_: seen.__setitem__(id(m), sum(p.numel() for p in m.parameters())))
    model(x)
    return sum(seen.values())


class OwnNorm(nn.LayerNorm):
    """As in OpenAI's CLIP: a class of its own."""


class OpenAIBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.attn, self.ln_1, self.ln_2 = nn.MultiheadAttention(width, 2), OwnNorm(width), OwnNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.proj = nn.Parameter(torch.zeros(width, 3))

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return (x + self.mlp(self.ln_2(x))) @ self.proj


def test_a_counter_by_hooks_is_blind_to_what_skip_names():
    block = OpenAIBlock(8)
    expected = seen_by_hooks(block, torch.zeros(5, 1, 8))
    assert count_parameters(block, (nn.MultiheadAttention, OwnNorm, "proj")) == expected
    assert count_parameters(block, ("attn", "ln_1", "ln_2", "proj")) == expected
    assert count_parameters(block) > count_parameters(block, ("proj",)) > expected


def test_thop_blind_leaves_the_patches_the_perceptrons_and_the_head_of_rqnet():
    with torch.device("meta"):
        model = RQNet.paper()
    vision = model.clip.vision_model
    visible = [vision.embeddings.patch_embedding, model.blocks, *(layer.mlp for layer in vision.encoder.layers)]
    assert count_parameters(model, THOP_BLIND) == sum(count_parameters(module) for module in visible)


def test_shared_weights_count_once_and_names_match_whole_parts():
    model = nn.ModuleDict({"head": nn.Linear(3, 2), "headless": nn.Linear(3, 4)})
    model["again"] = model["head"]
    assert count_parameters(model) == 8 + 16
    assert count_parameters(model, ("head",)) == 16
    assert count_parameters(model, (nn.Linear,)) == 0
