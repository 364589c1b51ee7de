"""Reproducible measurements: recipes are functions of system, data and budget, with records in `results/`."""

__all__ = ["PUBLISHED", "RECIPES", "Finding", "Interval", "Recipe", "findings", "recipe", "run"]

from morphogen.recipes.published import PUBLISHED
from morphogen.recipes.reproduce import RECIPES, Finding, Interval, Recipe, findings, recipe, run
