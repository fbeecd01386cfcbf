"""Per-scene metrics, the challenge's protocol, and the survey's tables as data."""

from pqa_lab.evaluation.protocol import HEADLINE, METRICS, challenge_score, check_frame, per_scene, summarize
from pqa_lab.evaluation.uncertainty import interval, replicates

__all__ = [
    "HEADLINE",
    "METRICS",
    "challenge_score",
    "check_frame",
    "interval",
    "per_scene",
    "replicates",
    "summarize",
]
