"""Every system prints as its composition: each part by name, nested as it is built."""

from collections.abc import Iterator
from typing import Any

from morphogen.catalogue import build_system, pages
from morphogen.component import to_config
from tests.laws.test_laws import specimen


def test_every_system_prints_its_composition() -> None:
    for system in pages():
        model = build_system(system, *specimen(system), "tiny")
        printed, parts = str(model), set(parts_of(to_config(model)))
        assert parts and not [part for part in parts if f"{part}(" not in printed], system
        assert " object at 0x" not in printed, system
        names = list(getattr(model, "models", {})) or ["objective", "representation", "plan"]
        assert all(f"\n  {name}=" in printed for name in names), system


def parts_of(config: Any) -> Iterator[str]:
    """The names of the classes of a config."""
    if isinstance(config, dict):
        yield from (str(config["part"]).rpartition(".")[2],) if "part" in config else ()
        for value in config.values():
            yield from parts_of(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from parts_of(value)
