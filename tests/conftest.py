"""Type checking in all tests: arguments and results must match their annotations, including tensor shapes.

jaxtyping instruments morphogen when it is imported. Axes of the same name must agree between all arguments
and results of a call (`"b d"` and `" b"` share b). beartype checks other types in constant time: one item of
a list. Integers are accepted as floats, and `Self` is not checked.

Two packages are excluded: `cli`, whose signatures are written for Typer, and `numerics`, whose functions are
called hundreds of times per step. With `numerics`, the tests of networks, families, evaluation and laws take
twice as long (146 s instead of 73 s on two cores); without it, a fifth longer (108 s instead of 92 s,
measured in one session). A training is checked in its first steps and in every tenth of the later ones,
which repeat them. Subprocesses of tests run without type checking. Outside pytest nothing of this is
imported.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from os import environ
from pathlib import Path
from typing import Any, Self

import pytest
from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import config, install_import_hook

EXCLUDED = {"cli", "numerics", "__init__", "__main__"}
PACKAGE = Path(__file__).parents[1] / "src" / "morphogen"
FILES = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
MODULES = sorted({file.parts[0] for file in FILES} - EXCLUDED)

checked = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({Self: Any})))
install_import_hook([f"morphogen.{module}" for module in MODULES], f"{__name__}.checked")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels one per core while the workers collect; else these would wait for each other."""
    workers = session.config.getoption("numprocesses", None)
    if workers and environ.get("MORPHOGEN_NATIVE") != "off":
        from morphogen.native.compiler import library
        from morphogen.native.kernels import KERNELS, source

        pool = ThreadPoolExecutor(workers)
        for kernel in KERNELS:
            pool.submit(library, source(kernel))
        pool.shutdown(wait=False)


@pytest.fixture(scope="session", autouse=True)
def _types_of_a_training() -> None:
    """Check types in steps 0 to 19, 20, 30, 40, ... of every training."""
    from morphogen.training.step import Stepper

    step = Stepper.step

    @wraps(step)
    def at_times(self: Stepper, number: int, *arguments: Any) -> Any:
        if config.jaxtyping_disable or number < 20 or number % 10 == 0:
            return step(self, number, *arguments)
        config.update("jaxtyping_disable", True)
        try:
            return step(self, number, *arguments)
        finally:
            config.update("jaxtyping_disable", False)

    Stepper.step = at_times  # type: ignore[assignment, method-assign]


@pytest.fixture
def untyped() -> Iterator[None]:
    """Disable the type checks, for tests of values that the annotations do not allow."""
    disabled = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", disabled)
