"""Ours: an installed package may bring a folder `tests` of its own, which this one comes before."""
