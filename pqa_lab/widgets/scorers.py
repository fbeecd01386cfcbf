"""Simulated scorers as good as the survey's methods, since the challenge's scores are unpublished."""

from functools import cache

import numpy as np
import pandas as pd

from pqa_lab.evaluation import per_scene, table1
from pqa_lab.evaluation.survey_proofs import CHALLENGE_IMAGES, CHALLENGE_SCENES, REFERENCE_GAP


def challenge_like(scenes: int = CHALLENGE_SCENES, seed: int = 0) -> pd.DataFrame:
    """Scores of simulated scorers on scenes like the challenge's. Lesson 03.

    Each method of Table 1 becomes a scorer, true quality plus noise, whose median SRCC over 96 scenes of seven photos
    is on average the printed one. **These are not the methods' scores**: only how good they are is the survey's.

    Returns
    -------
    DataFrame
        One row a method and image: ``method, scene, score, jod``.
    """
    jod, parts = _qualities(scenes, np.random.default_rng([seed, 0])), []  # shared by all methods
    for k, (method, srcc) in enumerate(table1()[["method", "challenge_srcc"]].itertuples(index=False)):
        error = np.random.default_rng([seed, 1 + k]).standard_normal(jod.shape)
        parts.append(_frame(jod + _noise(srcc) * error, jod).assign(method=method))
    return pd.concat(parts, ignore_index=True)


def _qualities(scenes: int, rng: np.random.Generator) -> np.ndarray:
    """True qualities (S, 7); the first photo is the reference camera's."""
    jod = rng.standard_normal((scenes, CHALLENGE_IMAGES))
    jod[:, 0] += REFERENCE_GAP
    return jod


def _frame(score: np.ndarray, jod: np.ndarray) -> pd.DataFrame:
    scene = np.repeat(np.arange(len(jod)), CHALLENGE_IMAGES)
    return pd.DataFrame({"scene": scene, "score": score.ravel(), "jod": jod.ravel()})


@cache
def _typical() -> tuple[np.ndarray, np.ndarray]:
    """Noises and the median SRCC over 96 scenes that they cause, averaged over 40 sets of scenes."""
    rng = np.random.default_rng(0)
    jod = _qualities(40 * CHALLENGE_SCENES, rng)
    error = rng.standard_normal(jod.shape)
    noises = np.geomspace(0.5, 12, 14)
    srcc = [per_scene(_frame(jod + noise * error, jod), fit=False)["srcc"].to_numpy() for noise in noises]
    return noises, np.median(np.reshape(srcc, (len(noises), 40, CHALLENGE_SCENES)), axis=2).mean(axis=1)


def _noise(srcc: float) -> float:
    noises, typical = _typical()
    return float(np.interp(-srcc, -typical, noises))
