"""Catch the attention weights of any network while it runs, whichever library its blocks come from.

Attention has two doors in PyTorch: ``scaled_dot_product_attention`` (timm, transformers) and
``multi_head_attention_forward`` (``nn.MultiheadAttention``, CLIP's own code). Neither gives its weights away, so a
function mode stands in both, which needs no knowledge of a model's layers. Blocks that multiply by hand (Swin's windows
without the fused kernel, MoNet's own) are not seen.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from pqa_lab.views import NORMS


class AttentionListener(TorchFunctionMode):
    """``with AttentionListener() as heard: model(x)``; then ``heard.weights`` has a (B, heads, N, M) for every call."""

    def __init__(self):
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            asked = kwargs.get("need_weights", True), kwargs.get("average_attn_weights", True)
            out, weights = func(*args, **(kwargs | {"need_weights": True, "average_attn_weights": False}))
            self.weights.append(weights.detach())  # (B, heads, N, M)
            if not asked[0]:
                return out, None
            return out, weights.mean(1) if asked[1] else weights
        if func is F.scaled_dot_product_attention:
            self.weights.append(_softmax(*args[:2], **_named(args, kwargs)).detach())
        return func(*args, **kwargs)


def _named(args: tuple, kwargs: dict) -> dict[str, Any]:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = dict(zip(names, args, strict=False)) | kwargs
    return {name: given.get(name) for name in ("attn_mask", "is_causal", "scale")}


def _softmax(
    query: Tensor, key: Tensor, attn_mask: Tensor | None, is_causal: bool | None, scale: float | None
) -> Tensor:
    # A = softmax(Q K^T / sqrt(d) + mask)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    logits = scale * query @ key.transpose(-2, -1)  # (B, heads, N, M)
    if is_causal:
        logits = logits.masked_fill(torch.ones_like(logits, dtype=torch.bool).triu(1), -torch.inf)
    if attn_mask is not None:
        keep = attn_mask.dtype == torch.bool
        logits = logits.masked_fill(~attn_mask, -torch.inf) if keep else logits + attn_mask
    return logits.softmax(-1)


def looked_at(weights: Tensor) -> Tensor | None:
    """How much each patch of a square grid is looked at, (B, heads, N, N) -> (B, h, h), mean over heads, sum 1.

    With a class token in front it is what that token looks at; else the mean over all patches. None for other shapes.
    """
    n = weights.shape[-1]
    if weights.ndim != 4 or weights.shape[-2] != n:
        return None
    mean = weights.mean(1)  # (B, N, N)
    for first, seen in ((1, mean[:, 0, 1:]), (0, mean.mean(1))):
        side = int((n - first) ** 0.5)
        if side > 1 and side * side == n - first:
            return (seen / seen.sum(1, keepdim=True)).unflatten(1, (side, side))  # (B, h, h)
    return None


def by_branch(grids: list[Tensor | None], branches: list[str], count: int) -> Iterator[tuple[str, int, Tensor]]:
    """Branch, number of the block, and grids (count, h, h); branches run one after the other, or in one batch."""
    alone = [grid for grid in grids if grid is not None and len(grid) == count]
    together = [grid for grid in grids if grid is not None and len(grid) == count * len(branches) > count]
    blocks = ceil(len(alone) / len(branches))
    for k, grid in enumerate(alone):
        yield branches[k // blocks], k % blocks + 1, grid
    for k, branch in enumerate(branches):
        for block, grid in enumerate(together, 1):
            yield branch, block, grid[k * count : (k + 1) * count]


def as_photo(view: Tensor) -> np.ndarray:
    """Normalised views (V, 3, S, S) -> (V, S, S, 3) uint8, undoing whichever normalisation gives whole grey levels."""
    best, off = None, np.inf
    for mean, sd in ((0.0, 1.0), *NORMS.values()):
        shape = (1, -1, 1, 1)
        levels = 255 * (view * torch.tensor(sd).reshape(shape) + torch.tensor(mean).reshape(shape))
        error = float((levels - levels.round()).abs().mean() + (levels - levels.clamp(0, 255)).abs().mean())
        if error < off:
            best, off = levels, error
    return best.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
