"""Checks of the style (CONTRIBUTING.md), which parse the source without importing it and take a second."""
