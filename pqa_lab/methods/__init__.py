"""One file a method, readable alone from top to bottom; ``METHODS`` names them."""

from pqa_lab.methods.base import Prediction, Recipe, View

__all__ = ["Prediction", "Recipe", "View"]
