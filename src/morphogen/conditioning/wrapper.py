"""The base class of conditioners that wrap another one: its names, its choice of conditions, its checks."""

__all__ = ["WrappedConditioner"]

from collections.abc import Mapping

from morphogen.contract import Conditioner
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree


class WrappedConditioner(Conditioner):
    """A conditioner of the same conditions as its attribute `conditioner`. No paper: it only delegates."""

    conditioner: Conditioner

    @property
    def names(self) -> tuple[str, ...]:
        return self.conditioner.names

    @property
    def trained_on(self) -> tuple[str, ...]:
        return self.conditioner.trained_on

    @property
    def widths(self) -> Mapping[str, int]:  # type: ignore[override]
        """Those of the conditioner."""
        return self.conditioner.widths

    def select(self, condition: Mapping[str, Tree]) -> Tree | None:
        return self.conditioner.select(condition)

    def named(self, condition: Tree) -> Mapping[str, Tree]:
        return self.conditioner.named(condition)

    def check(self, condition: Tree) -> None:
        self.conditioner.check(condition)

    def sample_condition(self, rng: Rng) -> Tree | None:
        return self.conditioner.sample_condition(rng)
