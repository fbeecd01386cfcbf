"""Move the predictions of one scene; see every loss, what it is blind to, and where its gradient pushes."""

import html
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch

from pqa_lab.errors import InputError
from pqa_lab.losses import LOSSES
from pqa_lab.viz import OKABE_ITO, Shown, show
from pqa_lab.viz.style import TEMPLATE
from pqa_lab.widgets.explorer import Explorer, side_by_side

LIMIT = 6.0  # predictions that the picture can show, on either side
SHIFT, SCALE, STEP = 0.5, 1.5, 0.25
START = (-1.0, -0.85, 0.3, 0.1, 1.2)
NOTHING = "nothing yet"
BLIND = 1e-6  # a change below this share of the loss is rounding


@dataclass
class LossBench:
    """Predictions of the photos of one scene beside their JODs, and the losses of `pqa_lab.losses.LOSSES` on them.

    ``mse_scene`` is shown without its cross-entropy, since here is one scene only.

    Lesson 05.

    Parameters
    ----------
    predictions, targets : list of float
        Predicted quality and JOD of 2 to 8 photos.
    loss : str
        Whose gradient is drawn; a key of `LOSSES`.
    """

    predictions: list[float] = field(default_factory=lambda: list(START))
    targets: list[float] = field(default_factory=lambda: [-1.6, -0.6, 0.0, 0.7, 1.5])
    loss: str = "scale_shift_invariant"

    def __post_init__(self):
        if len(self.predictions) != len(self.targets) or not 2 <= len(self.targets) <= 8:
            raise InputError("The loss explorer takes 2 to 8 photos, each with a prediction and a JOD.")
        if self.loss not in LOSSES:
            raise InputError(f"There is no loss {self.loss!r}; choose one of {', '.join(LOSSES)}.")
        self.predictions, self.targets = list(map(float, self.predictions)), list(map(float, self.targets))
        self._start = list(self.predictions)
        self._before, self._action = self.values(), NOTHING

    @property
    def names(self) -> list[str]:
        return [f"photo {letter}" for letter in "ABCDEFGH"[: len(self.targets)]]

    def values(self) -> dict[str, float]:
        """Every loss of the present predictions."""
        return {name: float(self._loss(name, torch.tensor(self.predictions, dtype=torch.float64))) for name in LOSSES}

    def gradient(self, loss: str | None = None) -> np.ndarray:
        """d loss / d prediction, (N,)."""
        predictions = torch.tensor(self.predictions, dtype=torch.float64, requires_grad=True)
        self._loss(loss or self.loss, predictions).backward()
        return predictions.grad.numpy()

    def _loss(self, name: str, predictions: torch.Tensor) -> torch.Tensor:
        targets = torch.tensor(self.targets, dtype=torch.float64)
        scene = torch.zeros(len(targets), dtype=torch.long)
        extra = (torch.zeros(len(targets), 1, dtype=torch.float64),) if name == "mse_scene" else ()  # log softmax is 0
        return LOSSES[name](predictions, targets, scene, *extra)

    def shift(self) -> None:
        """Add the same to every prediction."""
        self.move([p + SHIFT for p in self.predictions], f"shift by {SHIFT}")

    def scale(self) -> None:
        """Stretch the predictions around their mean."""
        middle = float(np.mean(self.predictions))
        self.move([middle + SCALE * (p - middle) for p in self.predictions], f"scale by {SCALE}")

    def swap_two(self) -> None:
        """Exchange the two highest predictions."""
        moved = list(self.predictions)
        a, b = np.argsort(moved)[-2:]
        moved[a], moved[b] = moved[b], moved[a]
        self.move(moved, "swap of the best two")

    def descend(self) -> None:
        """Follow the arrows: a step of gradient descent whose longest move is a quarter of a JOD."""
        gradient = self.gradient()
        size = np.abs(gradient).max()
        moved = np.asarray(self.predictions) - STEP * gradient / size if size > 0 else self.predictions
        self.move(list(map(float, moved)), f"step down {self.loss}")

    def start_over(self) -> None:
        """Back to the first predictions."""
        self.move(list(self._start), "start over")

    def move(self, predictions: list[float], action: str = "a move") -> None:
        """New predictions; the losses of the old ones stay for comparison."""
        if max(map(abs, predictions)) > LIMIT:
            raise InputError(f"Predictions would leave the picture (beyond {LIMIT:g}): start over.")
        self._before, self._action = self.values(), action
        self.predictions[:] = predictions

    def put(self, _name: str, k: int, prediction: float) -> None:
        """Move one prediction; a drag is one action, however many steps it has."""
        action = f"your move of {self.names[k]}"
        if action != self._action:
            self._before, self._action = self.values(), action
        self.predictions[k] = prediction

    def table(self) -> pd.DataFrame:
        """``loss, before, now, noticed``: whether the last action changed it."""
        now, before = self.values(), self._before
        rows = [(name, before[name], now[name], _noticed(before[name], now[name])) for name in now]
        return pd.DataFrame(rows, columns=["loss", "before", "now", "noticed"])

    def figure(self) -> go.Figure:
        """Predictions against JODs, with arrows where gradient descent pushes them."""
        x, y, gradient = self.targets, self.predictions, self.gradient()
        size = np.abs(gradient).max()
        arrows = -0.8 * gradient / size if size > 1e-12 else np.zeros(len(x))
        figure = go.Figure()
        figure.add_scatter(
            x=[-LIMIT, LIMIT], y=[-LIMIT, LIMIT], mode="lines", name="prediction = JOD",
            line={"color": "#888888", "dash": "dot", "width": 1}, hoverinfo="skip",
        )  # fmt: skip
        for k, (name, move) in enumerate(zip(self.names, arrows, strict=True)):
            if abs(move) > 0.02:
                tip = {"symbol": "arrow", "size": [0, 13], "angleref": "previous", "color": OKABE_ITO[1]}
                figure.add_scatter(
                    x=[x[k], x[k]], y=[y[k], y[k] + move], mode="lines+markers", marker=tip, showlegend=False,
                    line={"color": OKABE_ITO[1], "width": 2.5}, name=f"push on {name}", hoverinfo="skip",
                )  # fmt: skip
        figure.add_scatter(
            x=x, y=y, mode="markers+text", text=[name[-1] for name in self.names], textposition="middle right",
            marker={"color": OKABE_ITO[0], "symbol": "circle", "size": 11}, name="photo", textfont={"size": 14},
        )  # fmt: skip
        far = np.abs(gradient).argmax()
        push = f"pushes most on {self.names[far]}, {'down' if gradient[far] > 0 else 'up'}" if size > 1e-12 else "rests"
        when = "At the start" if self._action == NOTHING else f"After {self._action}"
        text = f"{when}: {self.loss} is {self.values()[self.loss]:.3f} and its gradient {push}."
        reach = max(3.0, np.abs(y).max() + 1)
        figure.update_xaxes(title="JOD", range=[-3, 3])
        figure.update_yaxes(title="prediction", range=[-reach, reach])
        return figure.update_layout(
            template=TEMPLATE, height=420, meta={"text": text}, showlegend=False, margin={"t": 20, "b": 45, "r": 10}
        )

    def faces(self) -> dict[str, go.Figure | str]:
        no = "" if self._action == NOTHING else "&#8709; no"
        lines = [
            f"<tr{' style=font-weight:bold' if row.loss == self.loss else ''}><td>{row.loss}</td>"
            f"<td>{row.before:.3f}</td><td>{row.now:.3f}</td><td>{'yes' if row.noticed else no}</td></tr>"
            for row in self.table().itertuples()
        ]
        head = "<tr><th>loss</th><th>before</th><th>now</th><th>noticed?</th></tr>"
        table = f"<table><caption>Last: {html.escape(self._action)}</caption>{head}{''.join(lines)}</table>"
        return {"figure": self.figure(), "table": table}

    def static(self) -> Shown:
        """The same predictions after a shift, a scaling and a swap, and how each loss took it."""
        benches = {name: replace(self, predictions=list(self.predictions)) for name in ("shift", "scale", "swap_two")}
        for name, bench in benches.items():
            getattr(bench, name)()
        table = pd.DataFrame({"loss": list(LOSSES), "before": [f"{v:.3f}" for v in self.values().values()]})
        for name, bench in benches.items():
            seen = zip(bench.table().now, bench.table().noticed, strict=True)
            table[f"after {name}"] = [f"{now:.3f}" if noticed else "not noticed" for now, noticed in seen]
        blind = [
            f"{name.replace('_', ' ')}: not noticed by {', '.join(t.loss[~t.noticed]) or 'no loss left out'}"
            for name, t in ((name, bench.table()) for name, bench in benches.items())
        ]
        text = f"Predictions against JODs, with arrows where {self.loss} pushes them. {'; '.join(blind)}."
        text = text.replace("not noticed by no loss left out", "noticed by every loss")
        figures = {name.replace("_", " "): bench.figure() for name, bench in benches.items()}
        return show(side_by_side(figures, text, height=380), table=table)


def _noticed(before: float, now: float) -> bool:
    return abs(now - before) > BLIND * max(1.0, abs(before))


def loss_explorer(loss: str = "scale_shift_invariant", predictions=None, targets=None) -> Explorer:
    """Move the predictions of a scene and watch every loss and the arrows of one gradient. Lesson 05.

    Parameters are those of `LossBench`; ``loss_explorer().static()`` is the twin for viewers without a kernel.
    """
    import ipywidgets

    given = {name: list(v) for name, v in (("predictions", predictions), ("targets", targets)) if v is not None}
    session = LossBench(loss=loss, **given)
    controls = {"loss": ipywidgets.Dropdown(options=list(LOSSES), value=loss, description="arrows of")}
    for k, (name, value) in enumerate(zip(session.names, session.predictions, strict=True)):
        controls["predictions", k] = ipywidgets.FloatSlider(value, min=-LIMIT, max=LIMIT, step=0.05, description=name)
    words = {
        "shift": f"Shift all by {SHIFT}",
        "scale": f"Scale by {SCALE}",
        "swap_two": "Swap the best two",
        "descend": "Follow the arrows",
        "start_over": "Start over",
    }
    controls |= {action: ipywidgets.Button(description=text) for action, text in words.items()}
    return Explorer(session, "What a loss sees", controls)
