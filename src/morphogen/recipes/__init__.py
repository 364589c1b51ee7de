"""Measurements that anyone can make again: a recipe is a function, system + data + budget; what it found stands in `results/`."""

__all__ = ["PUBLISHED", "RECIPES", "Finding", "Interval", "Recipe", "findings", "recipe", "run"]

from morphogen.recipes.published import PUBLISHED
from morphogen.recipes.reproduce import RECIPES, Finding, Interval, Recipe, findings, recipe, run
