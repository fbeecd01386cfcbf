"""True qualities of a few photos, the votes that they cause, and the JOD scale that is fitted to those votes."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pqa_lab.errors import InputError
from pqa_lab.scaling import JodScale, NoFiniteScale, probability, scale_counts
from pqa_lab.viz import OKABE_ITO, Shown, show
from pqa_lab.viz.style import TEMPLATE
from pqa_lab.widgets.explorer import Explorer, side_by_side

PRIORS = {"none (likelihood only)": "none", "eb (from the votes)": "eb"}


@dataclass
class JodStudy:
    """A simulated study of 3 to 6 photos in which every pair gets the same number of votes.

    A vote is a comparison of its own fixed random number with P(i wins), so votes change as little as they must when
    a quality moves, and the first 20 of 40 votes are those of a study with 20.

    Parameters
    ----------
    qualities : list of float
        True qualities in JOD.
    votes : int
        Votes a pair.
    prior : {"eb", "none"}
        As in `pqa_lab.scaling.scale`.
    seed : int
        Which people voted.
    """

    qualities: list[float] = field(default_factory=lambda: [-1.5, -0.5, 0.0, 2.0])
    votes: int = 15
    prior: str = "eb"
    seed: int = 0

    def __post_init__(self):
        if not 3 <= len(self.qualities) <= 6:
            raise InputError(f"The explorer takes 3 to 6 photos, not {len(self.qualities)}.")
        if self.votes < 1:
            raise InputError("A pair needs at least one vote.")
        self.qualities = [float(quality) for quality in self.qualities]

    @property
    def names(self) -> list[str]:
        return [f"photo {letter}" for letter in "ABCDEF"[: len(self.qualities)]]

    def probabilities(self) -> np.ndarray:
        """P(row preferred to column), (N, N): Phi((q_i - q_j) / 1.4826)."""
        q = np.asarray(self.qualities)
        return probability(q[:, None] - q[None, :])

    def counts(self) -> np.ndarray:
        """Simulated votes, (N, N): how often the row was preferred to the column."""
        n = len(self.qualities)
        i, j = np.triu_indices(n, 1)
        pairs = [np.random.default_rng([self.seed, a, b]) for a, b in zip(i, j, strict=True)]
        draws = np.stack([rng.random(self.votes) for rng in pairs])  # (P, V)
        counts = np.zeros((n, n), int)
        counts[i, j] = (draws < self.probabilities()[i, j, None]).sum(axis=1)
        counts[j, i] = self.votes - counts[i, j]
        return counts

    def fit(self) -> JodScale:
        """The scale of these votes; NoFiniteScale if, without a prior, somebody always wins."""
        return scale_counts(self.counts(), self.prior, labels=self.names)

    def table(self) -> pd.DataFrame:
        """Truth (mean 0, as a scale is) beside the fit: ``image, truth, jod, ci_low, ci_high``."""
        truth = np.asarray(self.qualities) - np.mean(self.qualities)
        return self.fit().table[["image", "jod", "ci_low", "ci_high"]].assign(truth=truth)

    def put(self, _name: str, k: int, quality: float) -> None:
        """Move one photo's true quality."""
        self.qualities[k] = quality

    def new_votes(self) -> None:
        """Ask other people."""
        self.seed += 1

    def chances_figure(self) -> go.Figure:
        """Win probabilities with the simulated votes."""
        p, counts = self.probabilities(), self.counts()
        off = ~np.eye(len(p), dtype=bool)
        words = [
            [f"{100 * p[i, j]:.0f} %<br>{counts[i, j]} of {self.votes}" if i != j else "" for j in range(len(p))]
            for i in range(len(p))
        ]
        heat = go.Heatmap(
            z=np.where(off, 100 * p, np.nan), x=self.names, y=self.names, zmin=0, zmax=100, colorscale="Cividis",
            text=words, texttemplate="%{text}", colorbar_title="%",
            hovertemplate="%{y} preferred to %{x}<extra></extra>",
        )  # fmt: skip
        i, j = np.unravel_index(np.argmax(np.where(off, p, 0)), p.shape)
        text = (
            f"Win probabilities, row preferred to column, with the simulated votes. Most decided: {self.names[i]} "
            f"beats {self.names[j]} with {100 * p[i, j]:.0f} %, and got {counts[i, j]} of {self.votes} votes."
        )
        figure = go.Figure(heat)
        figure.update_yaxes(autorange="reversed", showgrid=False)
        figure.update_xaxes(side="top", showgrid=False)
        return figure.update_layout(
            template=TEMPLATE, height=80 + 62 * len(p), margin={"t": 40, "b": 10, "l": 70, "r": 10}, meta={"text": text}
        )

    def scale_figure(self) -> go.Figure:
        """True qualities and the fitted scale with its 95 % intervals."""
        truth = np.asarray(self.qualities) - np.mean(self.qualities)
        figure = go.Figure()
        try:
            table = self.table()
            miss = (table.truth < table.ci_low) | (table.truth > table.ci_high)
            width = (table.ci_high - table.ci_low).mean()
            text = (
                f"{self.votes} votes a pair: intervals {width:.1f} JOD wide on average; "
                f"{int((~miss).sum())} of {len(table)} contain the truth."
            )
            error = {"array": table.ci_high - table.jod, "arrayminus": table.jod - table.ci_low, "thickness": 2.5}
            figure.add_scatter(
                x=table.jod, y=self.names, error_x=error, mode="markers", name="fitted, 95 % interval",
                marker={"color": OKABE_ITO[0], "symbol": "circle", "size": 11},
            )  # fmt: skip
        except NoFiniteScale as error:
            text = f"{self.votes} votes a pair: no finite scale. {error}"
        figure.add_scatter(
            x=truth, y=self.names, mode="markers", name="true quality",
            marker={"symbol": "line-ns", "size": 15, "line": {"width": 3, "color": OKABE_ITO[1]}},
        )  # fmt: skip
        figure.update_xaxes(title="JOD, mean 0", range=[-5.5, 5.5])
        figure.update_yaxes(autorange="reversed")
        return figure.update_layout(
            template=TEMPLATE, height=130 + 42 * len(truth), meta={"text": text}, uirevision="same",
            margin={"t": 30, "b": 40, "l": 70, "r": 10}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        )  # fmt: skip

    def faces(self) -> dict[str, go.Figure | str]:
        return {"chances": self.chances_figure(), "scale": self.scale_figure()}

    def static(self, votes: tuple[int, ...] = (5, 20, 100)) -> Shown:
        """The fitted scale after few, some and many votes a pair."""
        studies = {f"{n} votes a pair": replace(self, votes=n) for n in votes}
        figures = {name: study.scale_figure() for name, study in studies.items()}
        words = " ".join(figure.layout.meta["text"] for figure in figures.values())
        text = f"The same true qualities, scaled from ever more votes. {words}"
        return show(side_by_side(figures, text, height=360))


def jod_explorer(qualities: list[float] | None = None, votes: int = 15, prior: str = "eb", seed: int = 0) -> Explorer:
    """Drag the true qualities of 3 to 6 photos; see win probabilities, simulated votes and the fitted scale. Lesson 01.

    Parameters are those of `JodStudy`; ``jod_explorer().static()`` is the twin for viewers without a kernel.
    """
    import ipywidgets

    given = {} if qualities is None else {"qualities": list(qualities)}
    session = JodStudy(**given, votes=votes, prior=prior, seed=seed)
    controls = {
        ("qualities", k): ipywidgets.FloatSlider(value, min=-4, max=4, step=0.1, description=f"{name}, JOD")
        for k, (name, value) in enumerate(zip(session.names, session.qualities, strict=True))
    }
    controls["votes"] = ipywidgets.IntSlider(votes, min=1, max=200, description="votes a pair")
    controls["prior"] = ipywidgets.Dropdown(options=PRIORS, value=prior, description="prior")
    controls["new_votes"] = ipywidgets.Button(description="Ask other people")
    return Explorer(session, "From true qualities to votes and back", controls)
