"""Per-scene metrics, the challenge's protocol, and the survey's tables as data.

Read ``metrics``, ``protocol``, ``uncertainty`` and ``compare`` first. ``benchmark*``, ``behaviour*`` and
``learning_curve`` train on simulated scenes and make the pages in ``results/``; ``speed`` times the metrics.
"""

from pqa_lab.evaluation.ceiling import label_noise_ceiling
from pqa_lab.evaluation.compare import compare, paired_test
from pqa_lab.evaluation.files import load_evaluation, save_evaluation
from pqa_lab.evaluation.protocol import HEADLINE, METRICS, challenge_score, check_frame, per_scene, summarize
from pqa_lab.evaluation.survey import piq23_baselines, table1, table2, table3
from pqa_lab.evaluation.survey_proofs import (
    lattice_check,
    median_noise,
    plcc_is_raw,
    rank_noise,
    rank_reversal,
    table2_score_check,
)
from pqa_lab.evaluation.uncertainty import interval, replicates

__all__ = [
    "HEADLINE",
    "METRICS",
    "challenge_score",
    "check_frame",
    "compare",
    "interval",
    "label_noise_ceiling",
    "lattice_check",
    "load_evaluation",
    "median_noise",
    "paired_test",
    "per_scene",
    "piq23_baselines",
    "plcc_is_raw",
    "rank_noise",
    "rank_reversal",
    "replicates",
    "save_evaluation",
    "summarize",
    "table1",
    "table2",
    "table2_score_check",
    "table3",
]
