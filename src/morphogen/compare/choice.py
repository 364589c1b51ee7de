"""Who takes part in a comparison: one page stands for each family of a medium, in the article's order, unless a person names others."""

__all__ = ["REPRESENTATIVES", "choose"]

import difflib
from collections.abc import Sequence

from morphogen.catalogue import check_reader, compose, family, pages
from morphogen.component import ConfigError
from morphogen.data import Dataset, Pairs

# Of a medium that is not here, every page takes part.
REPRESENTATIVES = {
    "pictures": ("mixture", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm", "latent_flow"),
    "text": ("ngram", "rnn_lm", "gpt", "llama"),
}
TRANSLATORS = ("transformer",)  # where the data are pairs of texts


def choose(dataset: Dataset, systems: Sequence[str] | None = None, families: Sequence[str] | None = None) -> list[str]:
    """The systems to compare on these data.

    Arguments:
        dataset: whose medium the systems must be written for.
        systems: names; None: the representatives of the medium.
        families: keep those all of whose stages are of these families (a VAE under a flow is both); None: keep all.

    Errors: UnknownName; ConfigError for a system of another medium, an unknown family, or where nothing is left.
    """
    every = [page.name for page in pages().values() if page.medium == dataset.medium]
    stands = TRANSLATORS if isinstance(dataset.train, Pairs) else REPRESENTATIVES.get(dataset.medium, every)
    named = list(systems) if systems else list(stands)
    of = {name: _family(name, dataset) for name in dict.fromkeys(named)}  # an unknown name ends here, not after ten minutes
    if families is None:
        return list(of)
    known = {part for kind in of.values() for part in kind.split(" + ")}
    if unknown := [name for name in families if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, cutoff=0.4) or sorted(known)
        raise ConfigError(f"family {unknown[0]!r}: none of {', '.join(of)} is of it; did you mean {', '.join(near)}?")
    left = [name for name, kind in of.items() if set(kind.split(" + ")) <= set(families)]
    if not left:
        raise ConfigError(f"families {', '.join(families)}: no system of {', '.join(of)} is of these alone; name its other family too")
    return left


def _family(name: str, dataset: Dataset) -> str:
    model = compose(name, dataset.representation, len(dataset.classes), "tiny")
    check_reader(name, model, dataset)
    return family(model)
