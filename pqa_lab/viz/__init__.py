"""Plotly figures with a text twin.

``show`` and ``figure_html`` are light; a room's figures live in the module of its name and are imported when used.
"""

import importlib
from typing import Any

from pqa_lab.viz.show import Shown, caption, figure_html, figure_table, show
from pqa_lab.viz.style import OKABE_ITO, SYMBOLS, marker

# name -> module, so that drawing a JOD scale does not import torch
_FIGURES = {
    "forest_figure": "evaluation",
    "scene_figure": "evaluation",
}

__all__ = ["OKABE_ITO", "SYMBOLS", "Shown", "caption", "figure_html", "figure_table", "marker", "show", *_FIGURES]


def __getattr__(name: str) -> Any:
    if name in _FIGURES:
        return getattr(importlib.import_module(f"pqa_lab.viz.{_FIGURES[name]}"), name)
    raise AttributeError(f"module 'pqa_lab.viz' has no attribute {name!r}")
