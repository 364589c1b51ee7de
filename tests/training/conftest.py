"""Fixture that runs a test on each toy model of `toys.py`."""

from collections.abc import Callable

import pytest

from morphogen.model import Model
from training.toys import MAKERS


@pytest.fixture(params=list(MAKERS))
def maker(request: pytest.FixtureRequest) -> Callable[[], Model]:
    """Function that returns the same untrained model at each call."""
    return MAKERS[request.param]
