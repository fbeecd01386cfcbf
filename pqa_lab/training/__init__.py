"""One training engine for every method: ``fit``, ``predict``, and checkpoints that are never pickles."""

from importlib import import_module
from typing import Any

from pqa_lab.training.checkpoint import load_checkpoint, save_checkpoint
from pqa_lab.training.data import split_validation
from pqa_lab.training.fit import TrainingError, fit
from pqa_lab.training.history import History
from pqa_lab.training.predict import predict

# Imported when first used: they need plotly, or a method to measure.
_LATER = {"LivePlot": "live", "TensorBoard": "live", "loop_overhead": "benchmark"}

__all__ = [
    "History",
    "LivePlot",
    "TensorBoard",
    "TrainingError",
    "fit",
    "load_checkpoint",
    "loop_overhead",
    "predict",
    "save_checkpoint",
    "split_validation",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'pqa_lab.training' has no attribute {name!r}")
    return getattr(import_module(f"pqa_lab.training.{_LATER[name]}"), name)
