"""Per-scene metrics, the challenge's protocol, and the survey's tables as data."""

from pqa_lab.evaluation.compare import compare, paired_test
from pqa_lab.evaluation.files import load_evaluation, save_evaluation
from pqa_lab.evaluation.protocol import HEADLINE, METRICS, challenge_score, check_frame, per_scene, summarize
from pqa_lab.evaluation.uncertainty import interval, label_noise_ceiling, replicates

__all__ = [
    "HEADLINE",
    "METRICS",
    "challenge_score",
    "check_frame",
    "compare",
    "interval",
    "label_noise_ceiling",
    "load_evaluation",
    "paired_test",
    "per_scene",
    "replicates",
    "save_evaluation",
    "summarize",
]
