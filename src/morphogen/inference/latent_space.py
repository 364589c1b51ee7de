r"""The latent space of a trained autoencoder: from examples to z and back, and the paths between them.

    slerp(a, b, t) = sin((1 - t) w) / sin w  a + sin(t w) / sin w  b,    cos w = a . b / (|a| |b|)
    attribute      = mean of z of the examples that have it - mean of z of the others

A straight line between two draws of N(0, I) passes through points of too small a norm, which the decoder
never saw; the arc keeps the norm (Shoemake 1985, "Animating rotation with quaternion curves"; White 2016,
"Sampling generative networks"). Attribute vectors: Larsen, Sonderby, Larochelle & Winther 2016.
"""

__all__ = ["LatentSpace", "attribute", "slerp", "traversal"]

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.named import check_given
from morphogen.contract import Autoencoder, Batch, Context, Unsupported
from morphogen.model import Model, evaluating
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, cat, leaves, length, tree_map
from morphogen.other_words import other_word
from morphogen.representations.given import as_tensor, check_shape
from morphogen.samples import Samples, with_own_condition
from morphogen.sampling_arguments import checked_rows
from morphogen.staged import Staged
from morphogen.typed import check_arguments
from morphogen.wrong_calls import explains_calls, explains_construction


@explains_construction
class LatentSpace:
    """Encodes and decodes examples with an autoencoder, such as a VAE, or the first stage of a `Staged`.

    A GAN only decodes: it has no encoder, and `invert` finds latents by optimization.

    Arguments:
        model: a Model whose objective is an `Autoencoder` with real-valued latents or a GAN, or a Staged with
            such a stage.

    Attributes:
        model: the model of the autoencoder.

    Errors: Unsupported for a model without latents, or with codes, which have no points between them.
    """

    def __init__(self, model: Model | Staged):
        stages: list[Any] = list(model.models.values()) if isinstance(model, Staged) else [model]
        found = [stage for stage in stages if isinstance(stage.objective, Autoencoder)]
        found += [stage for stage in stages if hasattr(stage.objective, "draw_latents")]
        if not found:
            kinds = ", ".join(type(stage.objective).__name__ for stage in stages)
            raise Unsupported(f"{kinds}: there are no latents to look at; give a model such as a vae")
        self.model = found[0]
        objective: Any = self.model.objective
        self._generate = objective.decode if isinstance(objective, Autoencoder) else objective.predict
        sizes = getattr(objective, "latent_vocabulary", None)
        sizes = sizes.values() if isinstance(sizes, dict) else [sizes]
        if any(size is not None for size in sizes):
            raise Unsupported(
                f"{type(objective).__name__}: its latents are codes, with no points between them; "
                "give a model of real-valued latents such as a vae"
            )

    def __getattr__(self, name: str) -> Any:
        """Errors: UnknownAttribute for what another library has; AttributeError."""
        error = other_word("latent space", name)
        raise error or AttributeError(
            f"LatentSpace has no attribute {name!r}; it has encode, decode and model"
        )

    def encode(self, medium: Any, condition: Any = None, seed: int = 0, batch: int = 256) -> Tree:
        """z ~ q(z | x) of each row; of several latents, by name.

        Arguments:
            medium: [n, ...], as the model's `log_prob` takes it; or `Samples`, with their own condition.
            condition: [n, ...], as in `log_prob`, which is also required where it is there.
            seed: of the draw.
            batch: rows encoded at a time.

        Errors: Unsupported without an encoder, as a GAN is.
        """
        with evaluating(self.model), torch.no_grad():
            parts = [
                self.model.objective.encode(x, rng.fork("posterior"), context)[0]
                for x, context, rng in self.batches(medium, condition, seed, batch)
            ]
        return cat(parts)

    def batches(
        self, medium: Any, condition: Any = None, seed: int = 0, batch: int = 256
    ) -> Iterator[tuple[Tree, Context | None, Rng]]:
        """The encoder's input, batch by batch: x, its context and the random stream of its rows.

        Arguments:
            medium, condition, seed, batch: see `encode`.
        """
        model = self.model
        if not isinstance(model.objective, Autoencoder):
            raise Unsupported(
                f"{type(model.objective).__name__} has no encoder; "
                "mg.inference.invert(model, x).z finds latents by optimization"
            )
        medium, condition = with_own_condition(medium, condition, model.conditioner)
        medium = model.representation.check(medium)
        whole = Batch(medium, self._conditions(condition, length(medium)))
        seed, batch, numbers = checked_rows(model.representation, len(whole), seed, batch, None)
        rng = Rng(seed, numbers, ("latent",)).to(model.device)
        for rows in numbers.split(batch):
            part, stream = whole[rows].to(model.device), rng[rows]
            x = model.representation.encode(part.medium, stream.fork("encode"), measure=False).x
            yield x, self._context(part), stream

    def decode(self, z: Tree, condition: Any = None) -> Samples:
        """The examples of latents z [n, ...]: the median of p(x | z), or G(z) of a GAN.

        Errors: ConfigError for latents of another shape, or of other names.
        """
        z = self._latents(z)
        model, n = self.model, length(z)
        part = Batch(next(iter(leaves(z))), self._conditions(condition, n))
        with evaluating(model), torch.no_grad():
            x = self._generate(z, self._context(part))
            medium = model.representation.decode(x)
        return Samples(
            medium, part.condition, model.representation, {"seed": None, "indices": list(range(n))}
        )

    def _latents(self, z: Any) -> Tree:
        """Latents as floats of the model, in its shape. Errors: ConfigError."""
        objective, like = self.model.objective, next(self.model.parameters(), torch.zeros(()))
        shapes: Any = getattr(objective, "latent_shape", None)
        if shapes is None:
            draw: Any = objective.draw_latents
            shapes = tree_map(lambda part: part.shape[1:], draw(Rng(0, 1)))
        if not isinstance(shapes, Mapping):
            return _fitting(z, "latents", shapes, like)
        if not isinstance(z, Mapping) or {*z} != {*shapes}:
            raise ConfigError(
                f"latents are {' and '.join(shapes)}: give each by name, as encode returns them"
            )
        return {name: _fitting(z[name], f"latents {name!r}", shape, like) for name, shape in shapes.items()}

    def _conditions(self, condition: Any, n: int) -> Mapping[str, Tree]:
        """The named conditions of n rows. Errors: ConfigError for a missing one that the model requires."""
        named = self.model.conditions(condition, n)
        check_given(self.model.conditioner, named)
        return named

    def _context(self, batch: Batch) -> Context | None:
        return self.model.context(self.model.taken(batch.condition), len(batch))


@explains_calls
def slerp(first: Any, second: Any, steps: int, until: float = 1.0) -> Float[Tensor, " n *z"]:
    """`steps` points from the first latent to the second along an arc; the norm changes linearly.

    The last one is at the fraction `until` of the arc.

    Errors: ConfigError for fewer than two steps, and for latents of different shapes.
    """
    steps = check_arguments({"steps": int}, {"steps": steps})["steps"]
    if steps < 2:
        raise ConfigError(f"slerp: steps={steps}: give at least 2, the two ends")
    first = _floats(first, "the first latent")
    second = _floats(second, "the second latent", first)
    if first.shape != second.shape:
        shapes = f"{list(first.shape)} and {list(second.shape)}"
        raise ConfigError(
            f"slerp: the latents have the shapes {shapes}: give two of one shape, z[0] and z[1]"
        )
    norms = first.norm(), second.norm()
    a, b = (z / norm.clamp_min(1e-12) for z, norm in zip((first, second), norms, strict=True))
    t = torch.linspace(0, until, steps, device=first.device).reshape(-1, *[1] * first.ndim)
    angle = (a * b).sum().clamp(-1, 1).arccos()
    if angle < 1e-4:  # nearly parallel, where the arc is the line
        return (1 - t) * first + t * second
    arc = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    return arc * ((1 - t) * norms[0] + t * norms[1])


@explains_calls
def attribute(z: Any, has: Any) -> Float[Tensor, " *z"]:
    """The direction from the latents without an attribute to those with it (Larsen et al. 2016).

    Arguments:
        z: latents [n, ...].
        has: which of them have the attribute, [n] of true and false, or of 1 and 0.

    Errors: ConfigError for other values, and if all rows have it, or none.
    """
    z = _floats(z, "latents")
    has = _marks(has, len(z)).to(z.device)
    if has.all() or not has.any():
        raise ConfigError(
            f"attribute: {int(has.sum())} of {len(has)} rows have it: give rows with and without it"
        )
    return z[has].mean(0) - z[~has].mean(0)


@explains_calls
def traversal(z: Any, entry: int, values: Any) -> Float[Tensor, " n *z"]:
    """z with one entry of the flattened latent set to each of the values (Higgins et al. 2017).

    Errors: ConfigError for an entry that it does not have, and for values that are no list of numbers.
    """
    z = _floats(z, "the latent")
    values = _floats(values, "values", z)
    check_shape(values, (), "values")
    entry = check_arguments({"entry": int}, {"entry": entry})["entry"]
    if not -z.numel() <= entry < z.numel():
        raise ConfigError(f"traversal: entry={entry}: the latent has the entries 0 to {z.numel() - 1}")
    rows = z.flatten().repeat(len(values), 1)
    rows[:, entry] = values
    return rows.reshape(-1, *z.shape)


def _floats(given: Any, what: str, like: Shaped[Tensor, "..."] | None = None) -> Float[Tensor, "..."]:
    """Numbers as floats, of the type and on the device of others if these are given. Errors: ConfigError."""
    values = as_tensor(given, what)
    if like is not None:
        return values.to(like)
    return values if values.is_floating_point() else values.to(torch.get_default_dtype())


def _fitting(
    given: Any, what: str, shape: Sequence[int], like: Shaped[Tensor, "..."]
) -> Float[Tensor, "n ..."]:
    """Latents of a shape as floats. Errors: ConfigError."""
    values = _floats(given, what, like)
    check_shape(values, shape, what)
    return values


def _marks(given: Any, n: int) -> Bool[Tensor, " n"]:
    """True for the rows that have an attribute. Errors: ConfigError for other values, or another number."""
    values = as_tensor(given, "has")
    if values.shape != (n,):
        raise ConfigError(
            f"attribute: has is of shape {list(values.shape)}: give one value for each of {n} rows"
        )
    if not ((values == 0) | (values == 1)).all():
        odd = values[(values != 0) & (values != 1)][0].item()
        raise ConfigError(f"attribute: has holds {odd:g}: give true and false, such as labels == {odd:g}")
    return values.bool()
