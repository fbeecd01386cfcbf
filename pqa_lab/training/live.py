"""Callbacks for ``fit``: a plot that grows in a notebook, and TensorBoard.

fit(model, train, val, callbacks=[LivePlot()])
"""

import os
import time

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pqa_lab.errors import InputError
from pqa_lab.training.history import History


class LivePlot:
    """Loss and validation SRCC while training: a Plotly figure in a notebook, lines of text elsewhere.

    Needs no widget: the output of the cell is replaced, at most once in ``every`` seconds.

    Parameters
    ----------
    every : float
        Seconds between two pictures; 0 draws after every step.
    """

    def __init__(self, every: float = 2.0):
        self.every, self.drawn, self.handle = every, float("-inf"), None

    def __call__(self, record: dict, history: History) -> None:
        now = time.monotonic()
        if now - self.drawn < self.every and "val_srcc" not in record:
            return
        self.drawn = now
        if not _in_notebook():
            print(curve_text(history))
        elif self.handle is None:
            from IPython.display import display

            self.handle = display(curve(history), display_id=True)
        else:
            self.handle.update(curve(history))


class TensorBoard:
    """Write every number of a record to ``folder``, for ``tensorboard --logdir FOLDER``.

    Raises
    ------
    InputError
        The package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: str | os.PathLike):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError("TensorBoard is not installed: run `pip install tensorboard`.") from None
        self.writer = SummaryWriter(str(folder))

    def __call__(self, record: dict, history: History) -> None:
        for name, value in record.items():
            if name != "step":
                self.writer.add_scalar(name, value, record["step"])


def curve(history: History) -> go.Figure:
    """Loss (left axis, every step and its running mean) and validation SRCC (right axis) over the steps."""
    table = history.table
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    figure.add_scatter(x=table["step"], y=table["loss"], name="loss", opacity=0.3, line={"color": "#4c78a8"})
    smooth = table["loss"].ewm(span=max(2, len(table) // 20)).mean()
    figure.add_scatter(x=table["step"], y=smooth, name="loss, smoothed", line={"color": "#4c78a8"})
    if history.validated:
        steps, values = zip(*[(record["step"], record["val_srcc"]) for record in history.validated], strict=True)
        figure.add_scatter(
            x=steps,
            y=values,
            name="SRCC (validation)",
            mode="lines+markers",
            line={"color": "#e45756"},
            secondary_y=True,
        )
    figure.update_xaxes(title="step")
    figure.update_yaxes(title="loss", secondary_y=False)
    figure.update_yaxes(title="SRCC, median over scenes", range=[-1, 1], showgrid=False, secondary_y=True)
    figure.update_layout(title=curve_text(history), template="plotly_white", height=380, legend={"orientation": "h"})
    return figure


def curve_text(history: History) -> str:
    """The figure in one line."""
    last = history.records[-1]
    text = f"step {last['step']}, epoch {last['epoch']:.1f}: loss {last['loss']:.3f}"
    if history.best:
        text += f", SRCC {history.validated[-1]['val_srcc']:.3f} (best {history.best['val_srcc']:.3f}"
        text += f" at step {history.best['step']})"
    return text


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None
