"""Which scenes train, which test? Scores against JODs scene by scene, and what a model knows of scenes it never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pqa_lab.errors import InputError
from pqa_lab.evaluation import check_frame, per_scene
from pqa_lab.viz import OKABE_ITO, Shown, show
from pqa_lab.viz.style import TEMPLATE
from pqa_lab.widgets.explorer import Explorer, side_by_side

ROLES = {"train": (OKABE_ITO[0], "circle"), "test": (OKABE_ITO[1], "square")}
TOY = tuple(f"feature {k}" for k in range(1, 9))


def toy_scenes(scenes: int = 10, images: int = 12, own: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Made-up scenes in which quality depends on eight features, partly in each scene's own way.

    JOD = x w + own x w_scene + noise, with mean 0 in each scene as JODs have: what a model learns of ``w`` carries over
    to a new scene, what it learns of ``w_scene`` does not. Nothing here is measured on photos.

    Returns
    -------
    DataFrame
        One row an image: ``scene, jod`` and the features.
    """
    rng = np.random.default_rng(seed)
    common, parts = rng.standard_normal(len(TOY)), []
    for k in range(scenes):
        x = rng.standard_normal((images, len(TOY)))
        jod = x @ (common + own * rng.standard_normal(len(TOY))) / 2 + 0.3 * rng.standard_normal(images)
        part = pd.DataFrame(x, columns=list(TOY)).assign(scene=f"scene {k + 1}", jod=jod - jod.mean())
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@dataclass
class SceneSplit:
    """Images of several scenes, some of which train. Lesson 13.

    Parameters
    ----------
    frame : DataFrame
        One row an image: ``scene, jod`` and either ``score``, which stays as it is whatever the split, or ``features``.
    train : sequence of scenes, optional
        Default: the first half.
    features : sequence of str
        Columns from which a ridge regression, fitted to the training scenes at every split, predicts the score.
    scene : optional
        The scene to look at.
    """

    frame: pd.DataFrame
    train: Sequence[Any] | None = None
    features: Sequence[str] = ()
    scene: Any = None
    seed: int = 0
    ridge: float = 1.0

    def __post_init__(self):
        missing = [name for name in self.features if name not in self.frame.columns]
        if missing:
            raise InputError(f"The table has no column {missing[0]!r}; features must be columns of it.")
        check_frame(self.frame.assign(score=0.0) if self.features else self.frame)
        self.frame = self.frame.reset_index(drop=True)
        if len(self.scenes) < 2:
            raise InputError("A split needs at least two scenes.")
        self.train = tuple(self.scenes[: len(self.scenes) // 2] if self.train is None else self.train)
        self.scene = self.scenes[-1] if self.scene is None else self.scene

    @property
    def scenes(self) -> list[Any]:
        return list(self.frame["scene"].unique())

    def scored(self) -> pd.DataFrame:
        """The frame with ``score`` and ``role`` ("train" or "test")."""
        unknown = [scene for scene in self.train if scene not in self.scenes]
        if unknown:
            raise InputError(f"There is no scene {unknown[0]!r} to train on.")
        if not 0 < len(set(self.train)) < len(self.scenes):
            raise InputError("Choose at least one scene to train on, and leave at least one to test.")
        inside = self.frame["scene"].isin(self.train)
        frame = self.frame.assign(role=np.where(inside, "train", "test"))
        return frame.assign(score=self._ridge(inside.to_numpy())) if self.features else frame

    def _ridge(self, inside: np.ndarray) -> np.ndarray:
        x = self.frame[list(self.features)].to_numpy(float)  # (N, F)
        x = (x - x[inside].mean(0)) / (x[inside].std(0) + 1e-12)
        # Zero and spread of a scene's JODs are arbitrary, so scenes are compared inside only.
        names = self.frame.loc[inside, "scene"]
        centred = pd.DataFrame(x[inside]).groupby(names.to_numpy()).transform("mean").to_numpy()
        y = self.frame.loc[inside, "jod"] - self.frame.loc[inside, "jod"].groupby(names).transform("mean")
        a = x[inside] - centred
        # w = (A^T A + ridge I)^-1 A^T y
        w = np.linalg.solve(a.T @ a + self.ridge * np.eye(a.shape[1]), a.T @ y.to_numpy())
        return x @ w

    def table(self) -> pd.DataFrame:
        """One row a scene: ``scene, role, n, srcc``, in the frame's order."""
        found = per_scene(self.scored(), ["role"], fit=False).set_index("scene").loc[self.scenes].reset_index()
        return found[["scene", "role", "n", "srcc"]]

    def medians(self) -> dict[str, float]:
        """Median SRCC over the training scenes and over the test scenes."""
        return {role: float(part["srcc"].median()) for role, part in self.table().groupby("role")}

    def deal_again(self) -> None:
        """As many training scenes as now, drawn at random."""
        self.seed += 1
        drawn = np.random.default_rng(self.seed).permutation(len(self.scenes))[: len(self.train)]
        self.train = tuple(self.scenes[k] for k in sorted(drawn))

    def choose(self, click: dict[str, Any]) -> None:
        """Look at the scene whose point was clicked."""
        if click.get("customdata") in self.scenes:
            self.scene = click["customdata"]

    def words(self) -> str:
        medians, table = self.medians(), self.table().set_index("scene")
        known = len(set(self.train))
        return (
            f"Median SRCC {medians['train']:.2f} over {known} training scenes, {medians['test']:.2f} over "
            f"{len(self.scenes) - known} test scenes. {self.scene} ({table.role[self.scene]}): SRCC "
            f"{table.srcc[self.scene]:.2f}."
        )

    def scatter_figure(self) -> go.Figure:
        """Score against JOD: the chosen scene in colour, the others grey."""
        frame, figure = self.scored(), go.Figure()
        for role, (colour, symbol) in ROLES.items():
            for here in (False, True):
                part = frame[(frame.role == role) & ((frame.scene == self.scene) == here)]
                if len(part):
                    figure.add_scatter(
                        x=part.score, y=part.jod, mode="markers", customdata=part.scene.tolist(),
                        name=f"{self.scene} ({role})" if here else f"{role} scenes", hovertemplate="%{customdata}",
                        marker={"color": colour if here else "#BBBBBB", "symbol": symbol, "size": 11 if here else 6},
                    )  # fmt: skip
        figure.update_xaxes(title="score").update_yaxes(title="JOD")
        return figure.update_layout(
            template=TEMPLATE, height=340, meta={"text": f"Score against JOD. {self.words()}"},
            margin={"t": 30, "b": 45, "r": 10}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        )  # fmt: skip

    def srcc_figure(self) -> go.Figure:
        """SRCC of every scene; training scenes are circles, test scenes squares."""
        table, figure = self.table(), go.Figure()
        for role, (colour, symbol) in ROLES.items():
            part = table[table.role == role]
            chosen = part.scene == self.scene
            figure.add_scatter(
                x=part.srcc, y=part.scene.astype(str), mode="markers", name=role, customdata=part.scene.tolist(),
                marker={"color": colour, "symbol": symbol, "size": np.where(chosen, 15, 9).tolist(),
                        "line": {"color": "#000000", "width": np.where(chosen, 2, 0).tolist()}},
            )  # fmt: skip
            figure.add_vline(
                x=part.srcc.median(), line={"color": colour, "dash": {"train": "dot", "test": "dash"}[role]}
            )
        figure.update_xaxes(title="SRCC", range=[-1.05, 1.05])
        order = [str(scene) for scene in self.scenes]
        figure.update_yaxes(type="category", categoryorder="array", categoryarray=order[::-1], automargin=True)
        worst = table.dropna(subset=["srcc"]).sort_values("srcc").scene.tolist()[:3]
        text = (
            f"SRCC scene by scene, medians as lines (train dotted, test dashed). Lowest: {', '.join(map(str, worst))}."
        )
        return figure.update_layout(
            template=TEMPLATE, height=120 + 22 * len(table), meta={"text": text}, margin={"t": 30, "b": 45, "r": 10},
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        )  # fmt: skip

    def faces(self) -> dict[str, go.Figure | str]:
        return {"scatter": self.scatter_figure(), "srcc": self.srcc_figure()}

    def static(self) -> Shown:
        """Three splits: this one and two dealt at random, scene by scene."""
        splits = [replace(self)]
        for _ in range(2):
            splits.append(replace(splits[-1]))
            splits[-1].deal_again()
        named = {f"split {k}": split for k, split in enumerate(splits, 1)}
        text = " ".join(f"{name}: {split.words()}" for name, split in named.items())
        table = pd.DataFrame({"scene": list(map(str, self.scenes))})
        for name, split in named.items():
            found = split.table()
            table[name] = [f"{srcc:.2f} ({role})" for srcc, role in zip(found.srcc, found.role, strict=True)]
        figures = {name: split.srcc_figure().update_layout(shapes=[]) for name, split in named.items()}
        return show(side_by_side(figures, text, height=160 + 22 * len(table)), table=table, rows=len(table))


def scene_split_explorer(
    frame: pd.DataFrame | None = None, train: Sequence[Any] | None = None, features: Sequence[str] = ()
) -> Explorer:
    """Choose which scenes train; see scores against JODs and the SRCC of every scene. Click a point to see its scene.

    Parameters are those of `SceneSplit`; without a frame, `toy_scenes` and a ridge regression that is fitted anew at
    every split. ``scene_split_explorer().static()`` is the twin for viewers without a kernel.

    Lesson 13.
    """
    import ipywidgets

    toy = frame is None
    session = SceneSplit(toy_scenes() if toy else frame, train, TOY if toy else features)
    named = [(str(scene), scene) for scene in session.scenes]
    controls = {
        "train": ipywidgets.SelectMultiple(
            options=named, value=session.train, description="train on", rows=min(12, len(named))
        ),
        "scene": ipywidgets.Dropdown(options=named, value=session.scene, description="look at"),
        "deal_again": ipywidgets.Button(description="Deal the scenes again"),
    }
    title = "Known scenes, new scenes" + (" (made-up data)" if toy else "")
    return Explorer(session, title, controls, on_click=SceneSplit.choose)
