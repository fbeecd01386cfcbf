"""One file a method, readable alone from top to bottom; ``METHODS`` names them."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Prediction, Recipe, View
from pqa_lab.methods.tta import predict_views


class Methods(Mapping[str, type[nn.Module]]):
    """Key -> class of the method; its file is imported when it is first asked for."""

    def __init__(self, places: dict[str, str]):
        self.places = places

    def __getitem__(self, key: str) -> type[nn.Module]:
        if key not in self.places:
            raise UnknownMethod(f"There is no method {key!r}: choose one of {', '.join(self.places)}.")
        module, name = self.places[key].split(":")
        return getattr(import_module(f"pqa_lab.methods.{module}"), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


class UnknownMethod(InputError, KeyError):
    """A key that ``METHODS`` does not hold."""

    __str__ = InputError.__str__  # a KeyError shows its text in quotes


METHODS = Methods(
    {
        "hyperiqa": "hyperiqa:HyperIQA",
        "sem_hyperiqa": "sem_hyperiqa:SemHyperIQA",
        "fhiqa": "fhiqa:FHIQA",
        "set_ranker": "set_ranker:SetRanker",
        "rqnet": "rqnet:RQNet",
        "bdvqa": "bdvqa:BDVQA",
        "liqe": "liqe:LIQE",
        "pqe": "pqe:PQE",
        "monet": "monet:MoNet",
        "sar": "sar:SAR",
    }
)

__all__ = ["METHODS", "Prediction", "Recipe", "View", "predict_views"]
