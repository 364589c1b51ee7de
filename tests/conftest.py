"""In every test our functions are held to their annotations, shapes included; outside pytest nothing of this is imported.

jaxtyping rewrites morphogen as it is imported: the axes of all tensors that go into a call, and of those that come out, are bound to
each other (`"b d"` and `" b"` of one call are of one b); beartype looks at the rest, in constant time: of a list one item. An int will
do where a float is asked for, and `Self` is taken at its word.

Left out are `cli`, whose signatures are written for Typer, and `numerics`, whose functions are called some hundred times a step: with
them networks, families, evaluation and laws take twice as long (73 s become 146 s, on two cores), without them a fifth more (92 s, 108 s
in one sitting). Processes that a test starts run without all this, as a person does.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import config, install_import_hook

LEFT_OUT = {"cli", "numerics", "__init__", "__main__"}
PACKAGE = Path(__file__).parents[1] / "src" / "morphogen"
FLOORS = sorted({path.relative_to(PACKAGE).with_suffix("").parts[0] for path in PACKAGE.rglob("*.py")} - LEFT_OUT)

checked = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({Self: Any})))
install_import_hook([f"morphogen.{floor}" for floor in FLOORS], f"{__name__}.checked")


@pytest.fixture
def untyped() -> Iterator[None]:
    """For a test that calls what the annotations forbid, to see it refused."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)
