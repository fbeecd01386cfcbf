"""Test-time augmentation: look at several views of a photo, answer with their mean."""

import torch
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Prediction


def predict_views(model: nn.Module, views: dict[str, Tensor], group: Tensor | None = None) -> Prediction:
    """Run ``model`` on every view of every photo and average over the views. Lesson 12.

    Parameters
    ----------
    model : nn.Module
        A method; its ``forward`` takes one view an image.
    views : dict of Tensor, each (B, V, ...)
        What ``model.views(train=False)`` gave for B photos; a branch's view v goes with the other branches' view v.
    group : Tensor, shape (B,), optional
        Scene of each photo, for a model that ``compares`` the photos of a scene; None: all of one scene.

    Returns
    -------
    Prediction
        ``score`` (B,), ``scene_logits`` (B, C) or None and every entry of ``parts`` (B, ...), each the mean of V.
        Gradients and train/eval mode are the caller's business.

    Raises
    ------
    InputError
        If there are no views, or the branches disagree on the number of photos or of views.
    """
    shapes = {name: tuple(view.shape[:2]) for name, view in views.items()}
    if len(set(shapes.values())) != 1:
        raise InputError(f"Every branch needs the same photos and the same number of views (B, V), but got {shapes}.")
    photos, count = next(iter(shapes.values()))
    if photos == 0 or count == 0:
        raise InputError("There is no view to look at; give at least one photo with one view.")

    flat = {name: view.flatten(0, 1) for name, view in views.items()}  # every view (B V, ...)
    if getattr(model, "compares", False):
        # View v of a photo is compared with view v of the others: V groups a scene.
        device = next(iter(flat.values())).device
        first = torch.zeros(photos, dtype=torch.long, device=device) if group is None else group
        view = torch.arange(count, device=device)
        prediction = model(flat, (first[:, None] * count + view).flatten())  # groups (B V,)
    else:
        prediction = model(flat)

    def mean(answer: Tensor) -> Tensor:
        return answer.unflatten(0, (photos, count)).to(torch.promote_types(answer.dtype, torch.float32)).mean(1)

    return Prediction(
        score=mean(prediction.score),  # (B,)
        scene_logits=None if prediction.scene_logits is None else mean(prediction.scene_logits),  # (B, C)
        parts={name: mean(part) for name, part in prediction.parts.items()},
    )
