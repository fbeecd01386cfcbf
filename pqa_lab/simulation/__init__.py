"""The embedded data set: portraits drawn from numbers, a phone camera, a panel of observers, a known truth.

``simulate`` makes rows like PIQ23's; ``apply_fault`` and ``fault_group`` do to real photographs what a camera does;
``compare`` is the truth. Names are imported when first used.
"""

from importlib import import_module

_WHERE = {
    "camera": ["DEVICES", "Device", "Light", "Shot", "aim", "develop", "ideal_shot", "illuminant", "shoot"],
    "dataset": ["cache_dir", "ideal_photo", "photograph", "scene_votes", "simulate"],
    "faults": ["FAULTS", "apply_fault", "apply_faults", "fault_group", "mixed_group"],
    "people": ["MONK_TONES", "Pose", "Subject", "draw_pose", "draw_subject"],
    "portrait": ["Lighting", "Portrait", "render"],
    "quality": ["compare"],
    "scenes": ["Scene", "Take", "draw_scene", "draw_take"],
    "textures": ["dead_leaves"],
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_MODULE)


def __getattr__(name: str):
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE[name]}", __name__), name)


def __dir__():
    return __all__
