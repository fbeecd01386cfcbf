"""Widgets for notebooks: thin faces over plain Python sessions. Importing this room imports no widget library yet."""

from importlib import import_module

_WHERE = {
    "pairwise": ["PairAnnotator", "PairButtons", "annotate"],
    "explorer": ["Explorer"],
    "jod": ["JodStudy", "jod_explorer"],
    "loss": ["LossBench", "loss_explorer"],
    "board": ["Leaderboard", "leaderboard"],
    "scorers": ["challenge_like"],
    "crop": ["CropView", "crop_viewer"],
    "bench": ["CameraBench", "camera_bench"],
    "attention": ["AttentionView", "attention_viewer"],
    "split": ["SceneSplit", "scene_split_explorer", "toy_scenes"],
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_MODULE)


def __getattr__(name: str):
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE[name]}", __name__), name)


def __dir__():
    return __all__
