"""From files to rows: PIQ23, the challenge, pre-training sources, own folders, the simulation; samplers; safe photos.

    from pqa_lab.scenes import load_rows
    rows = load_rows("simulated", part="train")  # a datasets.Dataset, see pqa_lab.scenes.rows

Names are imported when they are first used, so that the samplers do not wait for ``datasets``.
"""

import importlib
from typing import Any

_HOME = {
    "load_rows": "doors",
    "load_piq23": "piq23",
    "load_piq23_scores": "piq23",
    "make_piq23_standin": "standin",
    "load_challenge": "challenge",
    "write_submission": "challenge",
    "check_limits": "limits",
    "load_source": "sources",
    "SOURCES": "sources",
    "face_only": "sources",
    "load_folder": "own",
    "load_hf": "hub",
    "save_parquet": "hub",
    "save_imagefolder": "hub",
    "stream": "hub",
    "load_simulated": "simulated",
    "load_photo": "photo",
    "BadPhoto": "photo",
    "FEATURES": "rows",
    "to_rows": "rows",
    "select_part": "rows",
    "undecoded": "rows",
    "split_scenes": "splits",
    "SceneBatchSampler": "sampler",
    "PairSampler": "sampler",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pqa_lab.scenes' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pqa_lab.scenes.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
