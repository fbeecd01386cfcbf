"""Where everything in the survey is implemented, and how its details are known: ``provenance.csv``, one line a fact.

    place           keys of places, several separated by blanks: ``3.1/04`` is the fourth sentence of section
                    3.1 (``3.1/04-06`` a range), ``equation1``, ``figure5``, ``table1/RQ-Net``
    kind            equation, table, figure, architecture, recipe, data, evaluation, claim or context
    says            what stands there, in our words, with all its numbers
    implemented_by  ``module:Name.attribute``, several separated by blanks; ``=value`` where it has to have that value
    evidence        stated; public code (the survey's text lost it or does not say it); inferred; omitted
    note            reasons, departures, what is unknown; of an omission, why

To change it, edit the file (a spreadsheet will do) and run ``pytest tests/test_provenance.py``: symbols are resolved,
values compared, and no place of the survey may be missing.
"""

import inspect
import re
from ast import literal_eval
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pqa_lab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TABLE = Path(__file__).with_name("provenance.csv")


def provenance(part: str = "") -> "pd.DataFrame":
    """The table, or the lines of one part of the survey.

    Parameters
    ----------
    part : str
        How a place begins: ``"3.1"`` for RQ-Net's section, ``"equation"``, ``"table2"``; empty for all.

    Returns
    -------
    DataFrame
        ``place, kind, says, implemented_by, evidence, note``, all text.

    Raises
    ------
    InputError
        No place begins so.

    Examples
    --------
    >>> provenance("equation3")[["implemented_by", "evidence"]].values.tolist()
    [['pqa_lab.losses.rank_mse:rank_mse_loss pqa_lab.methods.bdvqa:BDVQA.loss', 'inferred']]
    """
    import pandas as pd

    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False)
    chosen = table[[any(key.startswith(part) for key in keys(places)) for places in table["place"]]]
    if chosen.empty:
        raise InputError(f"No place of the survey begins with {part!r}: try 3.1, equation, figure or table2.")
    return chosen.reset_index(drop=True)


def keys(places: str) -> list[str]:
    """The single places of a line.

    >>> keys("3.1/04-06 figure5")
    ['3.1/04', '3.1/05', '3.1/06', 'figure5']
    """
    found = []
    for place in places.split():
        span = re.fullmatch(r"(.+)/(\d\d)-(\d\d)", place)
        found += [f"{span[1]}/{i:02d}" for i in range(int(span[2]), int(span[3]) + 1)] if span else [place]
    return found


def resolve(symbol: str) -> Any:
    """What ``module:Name.attribute`` names: attributes, keys of a table, defaults of a dataclass or of a parameter.

    Parameters
    ----------
    symbol : str
        With ``=value`` at its end the value found has to be equal.

    Returns
    -------
    Whatever has that name.

    Raises
    ------
    InputError
        Nothing has that name, or it has another value.

    Examples
    --------
    >>> resolve("pqa_lab.methods.sar:RECIPES.paper.epochs=80")
    80
    """
    name, _, value = symbol.partition("=")
    module, _, path = name.partition(":")
    try:
        found = import_module(module)
        for step in path.split("."):
            found = _step(found, step)
    except (ImportError, AttributeError, KeyError, ValueError) as error:
        raise InputError(f"{name} is in the table of provenance, but does not exist ({error}).") from None
    if value and found != literal_eval(value):
        raise InputError(f"{name} should be {value}, but is {found!r}.")
    return found


def _step(thing: Any, name: str) -> Any:
    if isinstance(thing, Mapping):
        return thing[name]
    if inspect.isfunction(thing):
        return inspect.signature(thing).parameters[name].default
    return getattr(thing, name)
