"""CTGAN (Xu et al. 2019) and a Gaussian copula (Patki et al. 2016), prepared as SDV prepares them.

Neither takes missing cells, and the copula takes numbers only. rdt, SDV's own library, fills in and restores
missing cells and dates, and for the copula maps categories to uniform numbers in intervals of their masses.
"""

__all__ = ["PEERS", "ctgan", "gaussian_copula"]

import signal
from collections.abc import Callable
from typing import Any

import pandas as pd


def ctgan(train: pd.DataFrame, seconds: float) -> Callable[[int], pd.DataFrame]:
    """Train a CTGAN for some seconds; returns its sampler."""
    from ctgan import CTGAN

    prepared, restore = _transformed(train, categories_as_numbers=False)

    class Timed(CTGAN):
        """A CTGAN whose time begins with the training, after the mixtures of each column are fitted."""

        def __setattr__(self, attribute: str, value: Any) -> None:
            super().__setattr__(attribute, value)
            if attribute == "_generator" and value is not None:
                signal.setitimer(signal.ITIMER_REAL, seconds)

    model = Timed(epochs=1_000_000, cuda=False)
    discrete = [name for name in prepared if not pd.api.types.is_numeric_dtype(prepared[name])]
    with _stop_on_time():
        model.fit(prepared, discrete_columns=discrete)
    return lambda n: restore(model.sample(n))


def gaussian_copula(train: pd.DataFrame, seconds: float) -> Callable[[int], pd.DataFrame]:
    """Fit a Gaussian copula with beta marginals, SDV's default; it takes as long as it takes."""
    from copulas.multivariate import GaussianMultivariate
    from copulas.univariate import BetaUnivariate

    prepared, restore = _transformed(train, categories_as_numbers=True)
    model = GaussianMultivariate(distribution=BetaUnivariate)
    model.fit(prepared)
    return lambda n: restore(model.sample(n))


MISSING = "(missing)"  # rdt 1.21 cannot map a missing category with pandas 3
PEERS = {"ctgan": ctgan, "gaussian_copula": gaussian_copula}


def _transformed(
    train: pd.DataFrame, categories_as_numbers: bool
) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], pd.DataFrame]]:
    """The table as a peer takes it, and what restores a table of samples."""
    from rdt import HyperTransformer
    from rdt.transformers import FloatFormatter, UniformEncoder, UnixTimestampEncoder

    words = [name for name in train if not _is_number(train[name]) and not _is_date(train[name])]
    train = train.assign(**{name: train[name].astype(object).fillna(MISSING) for name in words})
    transformer = HyperTransformer()
    transformer.detect_initial_config(train)
    config = transformer.get_config()
    for name in train:
        missing: dict[str, Any] = {"missing_value_replacement": "mean", "missing_value_generation": "random"}
        if _is_date(train[name]):
            config["sdtypes"][name], config["transformers"][name] = (
                "datetime",
                UnixTimestampEncoder(**missing),
            )
        elif _is_number(train[name]):
            formatter = FloatFormatter(learn_rounding_scheme=True, enforce_min_max_values=True, **missing)
            config["sdtypes"][name], config["transformers"][name] = "numerical", formatter
        else:
            config["sdtypes"][name] = "categorical"
            config["transformers"][name] = UniformEncoder() if categories_as_numbers else None
    transformer.set_config(config)

    def restore(drawn: pd.DataFrame) -> pd.DataFrame:
        table = transformer.reverse_transform(drawn)
        return table.assign(**{name: table[name].where(table[name] != MISSING) for name in words})

    return transformer.fit_transform(train), restore


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_date(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column)


class _Stop(Exception):
    """The time is over."""


class _stop_on_time:
    """Context manager: end what runs inside when the timer of the process ends."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, self._stop)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> bool:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return kind is not None and issubclass(kind, _Stop)

    @staticmethod
    def _stop(*_: Any) -> None:
        raise _Stop
