"""The toy models of `toys.py`, each test on all three kinds."""

from collections.abc import Callable

import pytest

from morphogen.model import Model
from training.toys import MAKERS


@pytest.fixture(params=list(MAKERS))
def maker(request: pytest.FixtureRequest) -> Callable[[], Model]:
    """Makes the same untrained model at each call."""
    return MAKERS[request.param]
