"""What a method looks at in a photo, and what its parts say: maps, gates, branches, scenes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from torch import Tensor

from pqa_lab.errors import InputError
from pqa_lab.methods import Prediction
from pqa_lab.ranking import load_ranker
from pqa_lab.viz import OKABE_ITO, Shown, show
from pqa_lab.viz.style import TEMPLATE
from pqa_lab.widgets.explorer import Explorer
from pqa_lab.widgets.listening import AttentionListener, as_photo, by_branch, looked_at
from pqa_lab.widgets.pictures import default_photo, opened, overlay, pictures_figure, row_html

GRADIENT = "gradient of the score"


class Run(NamedTuple):
    """One look of a model: ``seen`` (K, 3, S, S) and ``slopes`` (K, S, S) by branch, with K the views (and patches)."""

    seen: dict[str, Tensor]
    prediction: Prediction
    weights: list[Tensor]
    slopes: dict[str, np.ndarray]


@dataclass
class AttentionView:
    """A method and some photos of one scene. Lessons 10, 11.

    Parameters
    ----------
    model : nn.Module, str or Path
        A method of `pqa_lab.methods.METHODS`, the folder of a checkpoint, or "default".
    photos : sequence of photos, optional
        A model that compares photos sees all of them, any other one at a time. Default: a sample scene for the first
        kind, a portrait for the other.
    photo : int
        Which of them.
    view : int
        Which view of it (crop of the test-time augmentation).
    map : str, optional
        Which map; default the last attention, else the first there is.
    """

    model: Any = "default"
    photos: Sequence[Any] | None = None
    photo: int = 0
    view: int = 0
    map: str | None = None

    def __post_init__(self):
        self.model = load_ranker(self.model)[0].eval()
        self.compares = bool(getattr(self.model, "compares", False))
        if self.photos is None:
            self.photos, self.names = _sample(self.compares)
        else:
            self.names = [f"photo {k + 1}" for k in range(len(self.photos))]
        if not self.photos:
            raise InputError("The attention viewer needs at least one photo.")
        self.photos = [opened(photo) for photo in self.photos]
        self._runs: dict = {}
        self.map = self.map or next((n for n in reversed(self.maps()) if n.startswith("attention")), None)
        self.map = self.map or next(iter(self.maps()), GRADIENT)

    def run(self) -> Run:
        """The model's answer to the chosen photo, or to the group; kept, so that turning pages costs nothing."""
        key = None if self.compares else self.photo
        if key not in self._runs:
            chosen = self.photos if self.compares else [self.photos[self.photo]]
            look = self.model.views(train=False)
            seen = [look(photo, np.random.default_rng(0)) for photo in chosen]
            views = {name: torch.cat([each[name] for each in seen]) for name in seen[0]}  # (V, ...)
            pictures = [name for name, view in views.items() if view.ndim >= 4 and view.shape[-3] == 3]
            views |= {name: views[name].requires_grad_() for name in pictures}
            with AttentionListener() as heard:
                prediction = self.model(views)
            slopes = {}
            if pictures and prediction.score.requires_grad:
                slope = torch.autograd.grad(prediction.score.sum(), [views[n] for n in pictures], allow_unused=True)
                slopes = {n: s.abs().sum(-3).flatten(0, -3).numpy() for n, s in zip(pictures, slope, strict=True)}
            # A view may itself hold patches (LIQE): (V, N, 3, S, S) -> (V N, 3, S, S)
            seen = {name: views[name].detach().flatten(0, -4) for name in pictures}
            self._runs = {**self._runs, key: Run(seen, prediction, heard.weights, slopes)}
        return self._runs[key]

    def numbers(self) -> dict[str, float]:
        """Score and every part that is one number, of the chosen photo and view."""
        prediction, row = self.run().prediction, self._row()
        parts = {"score": prediction.score} | {n: p for n, p in prediction.parts.items() if p.ndim == 1}
        return {name: float(part[row].detach()) for name, part in parts.items()}

    def vectors(self) -> dict[str, np.ndarray]:
        """Every part that is a list of numbers (scenes, members, levels), and the chances of the scenes."""
        prediction, row = self.run().prediction, self._row()
        parts = {n: p[row] for n, p in prediction.parts.items() if p.ndim == 2}
        if prediction.scene_logits is not None:
            parts["scene chances"] = prediction.scene_logits[row].softmax(0)
        return {name: part.detach().float().numpy() for name, part in parts.items()}

    def group_attention(self) -> list[np.ndarray]:
        """For a model that compares photos: who looks at whom, a (photos, photos) with rows of sum 1 for each layer."""
        if not self.compares:
            return []
        return [w[0].mean(0).numpy() for w in self.run().weights if w.shape[-2:] == (len(self.photos),) * 2]

    def maps(self) -> dict[str, tuple[str, np.ndarray]]:
        """Maps of the chosen view: name -> (the view below it, (h, w) values of at least 0)."""
        seen, prediction, weights, slopes = self.run()
        if not seen:
            return {}
        made = {}
        for branch, block, grid in by_branch([looked_at(w) for w in weights], list(seen), self.views_count()):
            label = f"attention, block {block}" + (f", {branch}" if len(seen) > 1 else "")
            made[label] = branch, grid[self._page()].detach().numpy()
        first, row = next(iter(seen)), self._row()
        for name, part in prediction.parts.items():
            if part.ndim == 4:
                made |= {f"{name} {k + 1}": (first, m.detach().numpy()) for k, m in enumerate(part[row])}
            elif part.ndim == 3:
                made[name] = first, part[row].detach().numpy()
        for branch, slope in slopes.items():
            made[GRADIENT + (f", {branch}" if len(slopes) > 1 else "")] = branch, slope[self._page()]
        return made

    def pictures(self) -> dict[str, np.ndarray]:
        """What the model sees, and the chosen map over it."""
        found = self.maps()
        if not found:
            return {name: photo for name, photo in zip(self.names, self.photos, strict=True)}
        if self.map not in found:
            raise InputError(f"There is no map {self.map!r}; choose among {', '.join(found)}.")
        name, values = found[self.map]
        seen = as_photo(self.run().seen[name])[self._page()]
        return {f"what the model sees ({name})": seen, self.map: overlay(seen, values)}

    @property
    def view_number(self) -> int:
        """The view as people count: from 1."""
        return self.view + 1

    @view_number.setter
    def view_number(self, number: int) -> None:
        self.view = number - 1

    def views_count(self) -> int:
        """How many pictures of the photo the model looks at: crops, and the patches in them."""
        seen = self.run().seen
        return len(next(iter(seen.values()))) if seen and not self.compares else 1

    def words(self) -> str:
        told = ", ".join(f"{name} {value:.3g}" for name, value in self.numbers().items())
        which = self.names[self.photo] + (
            f", view {self.view + 1} of {self.views_count()}" if self.views_count() > 1 else ""
        )
        return f"{type(self.model).__name__}, {which}: {told}."

    def parts_figure(self) -> go.Figure:
        """Who looks at whom, for a model that compares photos; else the model's parts as bars."""
        layers = self.group_attention()
        if layers:
            mean = np.mean(layers, axis=0)
            most = int(mean.mean(0).argmax())
            text = (
                f"{self.words()} Attention in the group, mean of {len(layers)} layers: {self.names[most]} is seen most."
            )
            heat = go.Heatmap(z=mean, x=self.names, y=self.names, zmin=0, colorscale="Cividis", colorbar_title="share")
            figure = go.Figure(heat).update_yaxes(autorange="reversed", automargin=True, title="this photo looks")
            return figure.update_xaxes(title="at this one").update_layout(
                template=TEMPLATE, height=440, margin={"t": 15, "r": 10}, meta={"text": text}
            )
        from plotly.subplots import make_subplots

        rows = {"score and parts": self.numbers()} | {n: dict(enumerate(v, 1)) for n, v in self.vectors().items()}
        wide = min(3, len(rows))
        high = ceil(len(rows) / wide)
        figure = make_subplots(high, wide, subplot_titles=list(rows), vertical_spacing=0.35 / high)
        for k, values in enumerate(rows.values()):
            bars = go.Bar(x=list(map(str, values)), y=list(values.values()), marker_color=OKABE_ITO[0])
            figure.add_trace(bars, k // wide + 1, k % wide + 1)
        figure.update_xaxes(type="category").update_annotations(font_size=13)
        margin = {"t": 35, "b": 30, "l": 40, "r": 10}
        return figure.update_layout(
            template=TEMPLATE, height=60 + 190 * high, showlegend=False, margin=margin, meta={"text": self.words()}
        )

    def faces(self) -> dict[str, go.Figure | str]:
        wide = 320 if self.maps() else 120
        return {"pictures": row_html(self.pictures(), "", wide), "parts": self.parts_figure()}

    def static(self) -> Shown:
        """The first, middle and last map of the photo; for a model that compares, who looks at whom."""
        names = list(self.maps())
        if not names:
            return show(self.parts_figure())
        chosen = list(dict.fromkeys(names[k] for k in (0, (len(names) - 1) // 2, len(names) - 1)))
        shown = {}
        for name in chosen:
            shown |= replace(self, map=name).pictures()
        table = pd.DataFrame({"part": list(self.numbers()), "value": [f"{v:.4g}" for v in self.numbers().values()]})
        text = f"{self.words()} Maps over what the model sees, bright where it looks: {'; '.join(chosen)}."
        return show(pictures_figure(shown, text, columns=min(len(shown), 3)), table=table)

    def _page(self) -> int:
        return min(self.view, self.views_count() - 1)

    def _row(self) -> int:
        """Row of the prediction that the chosen photo, view or patch belongs to."""
        if self.compares:
            return self.photo
        return self._page() * len(self.run().prediction.score) // self.views_count()


def _sample(group: bool) -> tuple[list[np.ndarray], list[str]]:
    from pqa_lab.samples import SAMPLES, sample_group

    if not group:
        return [default_photo()], ["portrait"]
    photos, names = zip(*sample_group(next(iter(SAMPLES))), strict=True)
    return list(photos), list(names)


def attention_viewer(model: Any = "default", photos: Sequence[Any] | None = None) -> Explorer:
    """See where a method looks in a photo and what its branches, gates and scenes say. Lessons 10, 11.

    Parameters
    ----------
    model : nn.Module (a method), folder of a checkpoint, or "default"
    photos : sequence of photos, optional
        Of one scene; see `AttentionView`. ``attention_viewer(...).static()`` is the twin without a kernel.

    Returns
    -------
    Explorer
    """
    import ipywidgets

    session = AttentionView(model, photos)
    named = list(zip(session.names, range(len(session.names)), strict=True))
    controls: dict = {"photo": ipywidgets.Dropdown(options=named, value=0, description="photo")}
    if session.views_count() > 1:
        controls["view_number"] = ipywidgets.IntSlider(1, min=1, max=session.views_count(), description="view")
    if session.maps():
        controls["map"] = ipywidgets.Dropdown(options=list(session.maps()), value=session.map, description="map")
    return Explorer(session, f"Inside {type(session.model).__name__}", controls)
