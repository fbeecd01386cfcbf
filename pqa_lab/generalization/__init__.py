"""Generalization studies: each is one call that returns a table, a figure and a sentence computed from them.

finding = run_study("scenes", "hyperiqa", seeds=(0, 1))     # trains, or reads what was trained
finding = tones(load_evaluation("scores.parquet"))          # a table of scores is enough
finding.table, finding.figure, finding.reading
"""

from pqa_lab.generalization.finding import Finding
from pqa_lab.generalization.probes import scene_confidence, shortcut
from pqa_lab.generalization.run import STUDIES, Study, generalize, run_study
from pqa_lab.generalization.runs import described_scores, trained_scores
from pqa_lab.generalization.scores import face_size, label_scale, quality_gap, tones
from pqa_lab.generalization.shifts import known_and_new, left_out, scenes_or_images

__all__ = [
    "STUDIES",
    "Finding",
    "Study",
    "described_scores",
    "face_size",
    "generalize",
    "known_and_new",
    "label_scale",
    "left_out",
    "quality_gap",
    "run_study",
    "scene_confidence",
    "scenes_or_images",
    "shortcut",
    "tones",
    "trained_scores",
]
