"""Votes to JODs: fit, uncertainty, diagnosis, and which pair to ask next. numpy, scipy and pandas only."""

from importlib import import_module

_WHERE = {
    "fit": ["scale", "scale_counts"],
    "pwcmp": ["NoFiniteScale"],
    "result": ["JodScale"],
    "votes": ["read_votes"],
    "counts": ["read_counts"],
    "model": ["SIGMA", "probability"],
    "diagnosis": ["held_out", "observers", "residuals"],
    "published": ["standardize"],
    "report": ["report_text"],
    "panel": ["Observer", "Panel", "make_panel", "simulate_votes", "vote"],
    "sampling": ["enough", "next_pairs"],
    "session": ["PairSession"],
    "store": ["VoteStore"],
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_MODULE)


def __getattr__(name: str):
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE[name]}", __name__), name)


def __dir__():
    return __all__
