"""The systems of a comparison: by default one per family of the medium, in the order of the article."""

__all__ = ["choose", "family_of", "misfits"]

import difflib
from collections.abc import Sequence

from morphogen.catalogue import build_system, family, fitting, page_family
from morphogen.component import ConfigError
from morphogen.data import Dataset
from morphogen.model import generative
from morphogen.training.trial import try_losses


def choose(
    dataset: Dataset, systems: Sequence[str] | None = None, families: Sequence[str] | None = None
) -> list[str]:
    """The names of the systems to compare on a data set.

    Arguments:
        dataset: the data; a system that does not take them is chosen, and becomes a row that says why.
        systems: names; None: the representatives of the medium.
        families: keep systems whose stages are all of these families (a flow on the latents of a VAE needs
            both); None: keep all.

    Errors: UnknownName; ConfigError for an unknown family, or if none is left.
    """
    every = fitting(dataset.medium, dataset.conditions)
    default = [name for name in dataset.representation.medium.representatives if name in every] or every
    names = dict.fromkeys(systems or default)
    if not names:
        has = ", ".join(dataset.conditions) or "nothing"
        raise ConfigError(f"no system models {dataset.medium} conditioned on {has}: load the data otherwise")
    kinds = {name: family_of(name, dataset) for name in names}  # checks every name
    if families is None:
        return list(kinds)
    known = {part for kind in kinds.values() for part in kind.split(" + ")}
    if unknown := [name for name in families if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, cutoff=0.4) or sorted(known)
        raise ConfigError(
            f"family {unknown[0]!r}: none of {', '.join(kinds)} belongs to it; "
            f"did you mean {', '.join(near)}?"
        )
    kept = [name for name, kind in kinds.items() if set(kind.split(" + ")) <= set(families)]
    if not kept:
        raise ConfigError(
            f"families {', '.join(families)}: no system of {', '.join(kinds)} belongs to these alone; "
            "add its other family"
        )
    return kept


def family_of(name: str, dataset: Dataset) -> str:
    """The families of a system, joined by " + "; also of one that does not take the data."""
    try:
        return family(build_system(name, dataset.representation, dataset.conditions, "tiny"))
    except ConfigError:
        return page_family(name)


def misfits(names: Sequence[str], dataset: Dataset, size: str) -> dict[str, Exception]:
    """Why systems cannot be trained on the data, from building them and their losses on two rows.

    Errors: that of the first system, if none fits.
    """
    found: dict[str, Exception] = {}
    for name in names:
        try:
            model = build_system(name, dataset.representation, dataset.conditions, size)
            generative(list(getattr(model, "models", {"": model}).values())[-1].objective)
            try_losses(model, dataset.train)
        except Exception as error:  # whatever the system does, the others are compared
            found[name] = error
    if len(found) == len(names):
        raise next(iter(found.values()))
    return found
