"""The systems of a comparison: by default one per family of the medium, in the order of the article."""

__all__ = ["choose"]

import difflib
from collections.abc import Sequence

from morphogen.catalogue import build_system, family, fitting
from morphogen.component import ConfigError
from morphogen.data import Dataset


def choose(
    dataset: Dataset, systems: Sequence[str] | None = None, families: Sequence[str] | None = None
) -> list[str]:
    """The names of the systems to compare on a data set.

    Arguments:
        dataset: the data; the systems must be of its medium.
        systems: names; None: the representatives of the medium.
        families: keep systems whose stages are all of these families (a flow on the latents of a VAE needs
            both); None: keep all.

    Errors: UnknownName; ConfigError for a system of another medium or an unknown family, or if none is left.
    """
    every = fitting(dataset.medium, dataset.conditions)
    default = [name for name in dataset.representation.medium.representatives if name in every] or every
    names = dict.fromkeys(systems or default)
    if not names:
        has = ", ".join(dataset.conditions) or "nothing"
        raise ConfigError(f"no system models {dataset.medium} conditioned on {has}: load the data otherwise")
    family_of = {name: _family(name, dataset) for name in names}  # checks every name before any training
    if families is None:
        return list(family_of)
    known = {part for kind in family_of.values() for part in kind.split(" + ")}
    if unknown := [name for name in families if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, cutoff=0.4) or sorted(known)
        raise ConfigError(
            f"family {unknown[0]!r}: none of {', '.join(family_of)} belongs to it; "
            f"did you mean {', '.join(near)}?"
        )
    kept = [name for name, kind in family_of.items() if set(kind.split(" + ")) <= set(families)]
    if not kept:
        raise ConfigError(
            f"families {', '.join(families)}: no system of {', '.join(family_of)} belongs to these alone; "
            "add its other family"
        )
    return kept


def _family(name: str, dataset: Dataset) -> str:
    """The families of a system, joined by " + ". Errors: ConfigError if it does not fit the data."""
    model = build_system(name, dataset.representation, dataset.conditions, "tiny")
    return family(model)
