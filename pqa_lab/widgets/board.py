"""A leaderboard whose scenes are drawn again and again: how often does the winner change?"""

import html
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene, replicates
from pqa_lab.evaluation.uncertainty import over_scenes
from pqa_lab.viz import Shown, marker, show
from pqa_lab.viz.evaluation import NAMES
from pqa_lab.viz.style import TEMPLATE
from pqa_lab.widgets.explorer import Explorer, side_by_side
from pqa_lab.widgets.scorers import challenge_like

LOWER_IS_BETTER = {"mae"}


@dataclass
class Leaderboard:
    """Methods scored on the same scenes.

    Parameters
    ----------
    frame : DataFrame
        One row a method and image (``scene, score, jod`` and the column ``by``), or one row a method and scene with
        the column ``metric`` (`pqa_lab.evaluation.per_scene`).
    metric : str
        A column of `per_scene`.
    statistic : {"median", "mean"}
        Over scenes.
    scenes : int, optional
        How many of the scenes the study had; default all.
    resamples : int
        Bootstrap draws of that many scenes.
    seed : int
        Which scenes, and which draws.
    by : str
        The column that names the method.
    fresh : callable, optional
        Makes the frame of another study from a seed; without it `draw_again` only draws the same scenes otherwise.
    """

    frame: pd.DataFrame
    metric: str = "srcc"
    statistic: str = "median"
    scenes: int | None = None
    resamples: int = 2000
    seed: int = 0
    by: str = "method"
    fresh: Callable[[int], pd.DataFrame] | None = None

    def __post_init__(self):
        self._kept = {}
        self.frame = self._scored(self.frame)
        if len(self.methods) < 2:
            raise InputError("A leaderboard needs at least two methods.")
        self.scenes = self.total if self.scenes is None else self.scenes

    def _scored(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row a method and scene."""
        if self.by not in frame.columns:
            raise InputError(f"The table has no column {self.by!r} that names the method.")
        if {"score", "jod"} <= set(frame.columns):
            frame = per_scene(frame, [self.by], fit=self.metric in ("plcc_logistic", "mae"))
        if self.metric not in frame.columns:
            raise InputError(f"There is no metric {self.metric!r} in the table; it has {', '.join(frame.columns)}.")
        if frame.duplicated([self.by, "scene"]).any():
            raise InputError("A scene occurs twice for one method; keep one seed, or average the seeds first.")
        return frame

    @property
    def methods(self) -> list[str]:
        return list(map(str, self.frame[self.by].unique()))

    @property
    def total(self) -> int:
        return self.frame["scene"].nunique()

    def values(self) -> np.ndarray:
        """The chosen scenes' values, (S, M), higher is better; NaN where a metric is undefined."""
        table = self.frame.pivot(index="scene", columns=self.by, values=self.metric)
        table = table[self.frame[self.by].unique()].to_numpy(float)  # (S, M)
        order = np.random.default_rng(self.seed).permutation(self.total)[: self.scenes]
        return -table[order] if self.metric in LOWER_IS_BETTER else table[order]

    def places(self) -> np.ndarray:
        """Share of the resamples in which each method has each place, (M, places); ties share their places."""
        key = (self.metric, self.statistic, self.scenes, self.resamples, self.seed)
        if key not in self._kept:
            drawn = np.nan_to_num(replicates(self.values(), self.statistic, self.resamples, self.seed), nan=-np.inf)
            above = (drawn[:, None, :] > drawn[:, :, None]).sum(axis=2)[..., None]  # (R, M, 1)
            tied = (drawn[:, None, :] == drawn[:, :, None]).sum(axis=2)[..., None]  # (R, M, 1), itself included
            place = np.arange(drawn.shape[1])  # (M,)
            share = ((place >= above) & (place < above + tied)) / tied  # (R, M, places)
            self._kept = {key: (share.mean(axis=0), drawn)}
        return self._kept[key][0]

    def wins(self) -> np.ndarray:
        """How often each method is first, (M,); sums to 1."""
        return self.places()[:, 0]

    def table(self) -> pd.DataFrame:
        """Best first: ``method, value, low, high`` (95 % of the resamples), ``wins``."""
        wins, values = self.wins(), over_scenes(self.values().T, self.statistic)
        drawn = next(iter(self._kept.values()))[1]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        table = pd.DataFrame({"method": self.methods, "value": values, "low": low, "high": high, "wins": wins})
        if self.metric in LOWER_IS_BETTER:
            table[["value", "low", "high"]] = -table[["value", "high", "low"]].to_numpy()
        best_first = self.metric in LOWER_IS_BETTER
        return table.sort_values(["value", "wins"], ascending=[best_first, False], ignore_index=True)

    def draw_again(self) -> None:
        """Another study where `fresh` can make one; other draws in any case."""
        self.seed += 1
        if self.fresh:
            self.frame = self._scored(self.fresh(self.seed))

    def words(self) -> str:
        table = self.table()
        first, often = table.method[0], table.wins.max()
        rivals = int((table.wins >= 0.05).sum())
        return (
            f"{self.scenes} scenes: {first} leads with {self.statistic} {NAMES.get(self.metric, self.metric)} "
            f"{table.value[0]:.3f}, but wins only {100 * table.wins[0]:.0f} % of {self.resamples} draws of the scenes; "
            if often < 0.95
            else f"{self.scenes} scenes: {first} leads and wins {100 * table.wins[0]:.0f} % of the draws; "
        ) + f"{rivals} method{'s win' if rivals > 1 else ' wins'} at least one draw in twenty."

    def places_figure(self) -> go.Figure:
        """Method by place: how often."""
        order = [self.methods.index(name) for name in self.table().method]
        share = 100 * self.places()[order]
        heat = go.Heatmap(
            z=share, x=list(range(1, len(order) + 1)), y=[self.methods[k] for k in order], zmin=0, zmax=100,
            colorscale="Cividis", text=[[f"{v:.0f}" if v >= 0.5 else "" for v in row] for row in share],
            texttemplate="%{text}", colorbar_title="% of draws",
            hovertemplate="%{y}: place %{x} in %{z:.1f} % of the draws<extra></extra>",
        )  # fmt: skip
        figure = go.Figure(heat)
        figure.update_xaxes(title="place", dtick=1, showgrid=False)
        figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
        return figure.update_layout(
            template=TEMPLATE, height=110 + 36 * len(order), margin={"t": 15, "b": 45, "r": 10},
            meta={"text": self.words()},
        )  # fmt: skip

    def wins_figure(self) -> go.Figure:
        """How often each method is first."""
        figure = go.Figure()
        figure.add_bar(
            x=100 * self.wins(), y=self.methods, orientation="h", marker_color=marker(0)["color"], name="wins",
            text=[f"{100 * share:.0f}" for share in self.wins()], textposition="outside", cliponaxis=False,
        )  # fmt: skip
        figure.update_xaxes(title="first in % of draws", range=[0, 105])
        figure.update_yaxes(autorange="reversed", automargin=True)
        return figure.update_layout(template=TEMPLATE, meta={"text": self.words()})

    def faces(self) -> dict[str, go.Figure | str]:
        lines = [
            f"<tr><td>{html.escape(row.method)}</td><td>{row.value:.3f}</td><td>{row.low:.3f} to {row.high:.3f}</td>"
            f"<td>{100 * row.wins:.0f} %</td></tr>"
            for row in self.table().itertuples()
        ]
        label = NAMES.get(self.metric, self.metric)
        head = f"<tr><th>method</th><th>{self.statistic} {label}</th><th>95 % of draws</th><th>wins</th></tr>"
        return {"table": f"<table>{head}{''.join(lines)}</table>", "places": self.places_figure()}

    def static(self, scenes: tuple[int, ...] | None = None) -> Shown:
        """How often each method wins, with few, more and all scenes."""
        sizes = scenes or tuple(sorted({max(2, self.total // 8), max(2, self.total // 3), self.total}))
        shown = self.table().method.tolist()
        frame = self.frame.set_index(self.by).loc[shown].reset_index()  # the leader on top
        boards = {f"{n} scenes": replace(self, frame=frame, scenes=n) for n in sizes}
        text = " ".join(board.words() for board in boards.values())
        table = pd.DataFrame({"method": shown})
        for name, board in boards.items():
            table[f"wins with {name}"] = [f"{100 * share:.0f} %" for share in board.wins()]
        figures = {name: board.wins_figure() for name, board in boards.items()}
        return show(side_by_side(figures, text, height=120 + 34 * len(self.methods)), table=table)


def leaderboard(
    frame: pd.DataFrame | None = None, metric: str = "srcc", statistic: str = "median", by: str = "method"
) -> Explorer:
    """Draw the scenes again and see how often each method wins. Lesson 03.

    Parameters are those of `Leaderboard`; without a frame, `challenge_like` scorers. ``leaderboard().static()`` is the
    twin for viewers without a kernel.
    """
    import ipywidgets

    made = (
        {"frame": challenge_like(), "fresh": lambda seed: challenge_like(seed=seed)}
        if frame is None
        else {"frame": frame}
    )
    session = Leaderboard(**made, metric=metric, statistic=statistic, by=by)
    known = [name for name in NAMES if name in session.frame.columns] or [metric]
    controls = {
        "scenes": ipywidgets.IntSlider(session.total, min=2, max=session.total, description="scenes"),
        "metric": ipywidgets.Dropdown(
            options=[(NAMES.get(m, m), m) for m in known], value=metric, description="metric"
        ),
        "statistic": ipywidgets.Dropdown(options=["median", "mean"], value=statistic, description="over scenes"),
        "draw_again": ipywidgets.Button(description="Other scenes" if frame is None else "Other draws"),
    }
    title = "Who won? (simulated scorers, as good as the survey's methods)" if frame is None else "Who won?"
    return Explorer(session, title, controls)
