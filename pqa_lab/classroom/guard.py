"""Puts back, before each test, what a submission may have changed in the libraries that tests use.

Runs inside the kernel that grades. It undoes what an accident or a shortcut does (``abs = 3``, ``numpy.allclose =
lambda *a, **k: True``); who sets out to defeat it from within the same process can.
"""

import builtins
import importlib
import sys
from types import ModuleType

GUARDED = ("math", "numpy", "numpy.testing", "numpy.linalg", "pandas", "scipy.stats", "scipy.special", "torch")
GUARDED += ("pqa_lab.classroom.data", "pqa_lab.scaling.fit")
_kept: dict[ModuleType, dict] = {}


def keep(modules: list[str]) -> None:
    """Remember the modules, before the first cell of a submission runs; what is not installed is left out."""
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        _kept[module] = dict(vars(module))
    _kept[builtins] = dict(vars(builtins))


def restore(names: dict) -> None:
    """Put the modules' contents back, and uncover the builtins that ``names``, the notebook's own, hide."""
    for module, content in _kept.items():
        vars(module).update(content)
        sys.modules[module.__name__] = module
    for name in set(names) & set(_kept[builtins]):
        if not name.startswith("_"):
            del names[name]
