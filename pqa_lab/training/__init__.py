"""One training engine for every method: ``fit``, ``predict``, and checkpoints that are never pickles."""

from pqa_lab.training.checkpoint import load_checkpoint, save_checkpoint
from pqa_lab.training.data import split_validation
from pqa_lab.training.fit import TrainingError, fit
from pqa_lab.training.history import History
from pqa_lab.training.predict import predict

__all__ = ["History", "TrainingError", "fit", "load_checkpoint", "predict", "save_checkpoint", "split_validation"]
