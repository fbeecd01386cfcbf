"""Where the numbers of parameters in the survey's Table 2 come from: each rebuilt from our models.

Published "# Params" are not comparable: one team's tool is blind to attention, one counts an ensemble and another one
model of four, one counts its face detector and another does not. ``parameter_forensics`` prints for every row what the
table says, what one of our models has, and what has to be counted to arrive at the table's number.

*Stated*: the table; SAR's 135.02 M and 14.22 M of the detector. *Inferred*: every reconstruction, from the number alone
where nothing else is known (BDVQA's Swin-L, MoNet's five opinions), so agreement is evidence, not proof.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from pqa_lab.methods import METHODS

Skip = Collection[str | type[nn.Module]]

# thop 0.1.1 adds up the weights of modules whose forward it sees and whose exact class it knows. OpenAI's CLIP feeds
# the weights of nn.MultiheadAttention to a function, has embeddings and projection as bare parameters, and LayerNorms
# of a class of its own: all invisible. (The names are those of the same layers in transformers' CLIP.)
THOP_BLIND = (
    "self_attn",
    "class_embedding",
    "position_embedding",
    "visual_projection",
    "layer_norm1",
    "layer_norm2",
    "pre_layrnorm",
    "post_layernorm",
)
DETECTOR = 14.22e6  # SAR's light DSFD, stated
CLASSIFIER = 768 * 1000 + 1000  # the ViT's ImageNet head, kept though nothing reads it


def count_parameters(model: nn.Module, skip: Skip = ()) -> int:
    """Parameters of a model, frozen ones too, shared ones once. Lessons 06, 07, 08, 09, 10, 11.

    Parameters
    ----------
    model : nn.Module
        May live on the meta device, where building even the largest one costs nothing.
    skip : names and module classes
        What a counter does not see: every parameter below a part of this name (``"self_attn"``), or below a module of
        this class (``nn.MultiheadAttention``).
    """
    names = {item for item in skip if isinstance(item, str)}
    classes = tuple(item for item in skip if not isinstance(item, str))
    blind = {id(p) for module in model.modules() if isinstance(module, classes) for p in module.parameters()}
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if id(parameter) not in blind and names.isdisjoint(name.split("."))
    )


@dataclass(frozen=True)
class Reconstruction:
    """A row of Table 2: its number in millions, how to arrive at it, and what that takes in words."""

    published: float
    count: Callable[[nn.Module], float]
    words: str


ROWS = {
    "rqnet": Reconstruction(
        57.6,
        lambda model: count_parameters(model, THOP_BLIND),
        "one model of the four, by a counter (thop) blind to attention, embeddings, projection and layer norms",
    ),
    "bdvqa": Reconstruction(794, count_parameters, "four Swin-L with heads, an ensemble"),
    "pqe": Reconstruction(
        174,
        lambda model: count_parameters(model, ("liqe",)),
        "two Swin-B and the head; LIQE (151 M) and the face detector left out",
    ),
    "monet": Reconstruction(
        408,
        lambda model: count_parameters(model) + CLASSIFIER,
        "five attention learning modules, and the ViT's unused 1000-way classifier",
    ),
    "sar": Reconstruction(
        149,
        lambda model: count_parameters(model) + DETECTOR,
        "separate late blocks, and 14.22 M of the face detector; without it 135.02 M are published",
    ),
    "hyperiqa": Reconstruction(128, count_parameters, "r = 6: all widths six times those at 224 pixels"),
    "sem_hyperiqa": Reconstruction(145, count_parameters, "50 classes, although the scene split trains on 35"),
    "fhiqa": Reconstruction(145, count_parameters, "50 classes, although the scene split trains on 35"),
}


def parameter_forensics() -> pd.DataFrame:
    """Table 2's "# Params" beside ours, one line a method, in the survey's order.

    Returns
    -------
    DataFrame
        ``method``; millions ``survey_m``, ``ours_m`` (all parameters of ``METHODS[method].paper()``) and
        ``reconstructed_m`` (ours, counted as they seem to have counted); ``gap_percent``, (reconstructed - survey) /
        survey; ``reconstruction`` in words. The survey rounds to 1 M, RQ-Net's row to 0.1 M.
    """
    lines = []
    for key, row in ROWS.items():
        with torch.device("meta"):
            model = METHODS[key].paper()
        count = row.count(model) / 1e6
        lines.append(
            {
                "method": key,
                "survey_m": row.published,
                "ours_m": round(count_parameters(model) / 1e6, 2),
                "reconstructed_m": round(count, 2),
                "gap_percent": round(100 * (count - row.published) / row.published, 2),
                "reconstruction": row.words,
            }
        )
    return pd.DataFrame(lines)
