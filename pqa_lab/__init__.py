"""pqa_lab: learn, try and use portrait quality assessment.

    import pqa_lab
    ranking = pqa_lab.rank(["phone_a.jpg", "phone_b.jpg", "phone_c.jpg"])

Every room (``scaling``, ``scenes``, ``views``, ``losses``, ``methods``, ``training``, ``evaluation``, ...) is imported
when it is first used: ``import pqa_lab`` alone loads nothing heavy.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_ROOMS = (
    "scaling",
    "simulation",
    "scenes",
    "views",
    "losses",
    "methods",
    "training",
    "evaluation",
    "generalization",
    "ranking",
    "viz",
    "widgets",
)

__all__ = ["__version__", "rank", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"pqa_lab.{name}")
    if name == "rank":
        from pqa_lab.ranking import rank

        return rank
    raise AttributeError(f"module 'pqa_lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
