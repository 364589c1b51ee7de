r"""Models trained in stages: a later stage may contain an earlier one, or be conditioned on its samples.

    Staged     x = z(medium) by the first stage               latents and codes
    Cascade    p(x_1) p(x_2 | x_1) p(x_3 | x_1, x_2) ...      resolutions, levels of codes

Cascade: Cascaded diffusion models for high fidelity image generation, Ho et al., 2022; Generating diverse
high-fidelity images with VQ-VAE-2, Razavi, van den Oord & Vinyals, 2019.
"""

__all__ = ["Cascade", "Staged", "guided_samplers", "samplers_of"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.conditioning.dropout import Dropout
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.named import check_given, name_conditions, names_of
from morphogen.contract import Batch, Boundary, Likelihood, Losses, Sampler, Unsupported
from morphogen.distribution import HasDistribution
from morphogen.model import Model, evaluating, generative, likelihood_of_medium, sampling_settings
from morphogen.numerics.memory import keep_freed_memory
from morphogen.numerics.precision import Precision, autocast
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, cat, index, tree_map
from morphogen.ownership import own_modules
from morphogen.rank import ALONE, Rank
from morphogen.representations.latent import Latent
from morphogen.samples import Samples
from morphogen.sampling_arguments import checked, rows_of
from morphogen.wrong_calls import explains_calls

DELEGATED = (
    *("objective", "representation", "conditioner", "specs", "plan", "device"),
    *("taken", "conditions", "context", "sample_batch", "distribution"),
)  # to the last stage


class Staged(Component, Boundary):
    """A sequence of models trained in order; the last one samples and is evaluated.

    A later stage may own an earlier Model inside one of its parts (`Latent(first)`). A nested Model is a
    Boundary, so the training of the later stage never updates it.

    Arguments:
        models: `name=Model`, in training order.
    """

    def __init__(self, **models: Model):
        super().__init__()
        if not models:
            kind = type(self).__name__
            raise ConfigError(f"{kind} has no stages: give models by name, {kind}(first=..., second=...)")
        self.models = nn.ModuleDict(models)

    @property
    def last(self) -> Model:
        """The last stage."""
        last: Any = list(self.models.values())[-1]
        return last

    def __getattr__(self, name: str) -> Any:
        """Delegate a Model's parts to the last stage, so that a Staged can be used like a Model."""
        if name in DELEGATED:
            return getattr(self.last, name)
        return super().__getattr__(name)

    def stage_batch(self, name: str, batch: Batch, rng: Rng) -> Batch:
        """The batch that a stage is trained on, of a batch of the data."""
        return batch

    @explains_calls
    def forward(self, batch: Batch, rng: Rng, player: str) -> Losses:
        """Unsupported: each stage has losses of its own."""
        stages = ", ".join(self.models)
        raise Unsupported(f"the stages have losses, model.models[name](batch, rng, player): one of {stages}")

    @explains_calls
    def sample(self, n: int | None = None, *arguments: Any, **options: Any) -> Samples:
        """Sample from the last stage, decoding through the earlier ones; see `Model.sample`."""
        return self.last.sample(n, *arguments, **options)

    def log_prob(self, medium: Shaped[Tensor, "b ..."], *arguments: Any, **options: Any) -> Likelihood:
        """log p of the last stage, with the earlier stages' log_weight; see `Model.log_prob`."""
        return self.last.log_prob(medium, *arguments, **options)


class Cascade(HasDistribution, Staged):
    r"""A chain of models, each conditioned on what the earlier ones sample (Ho et al. 2022).

        x_k ~ p(x_k | x_<k, c),     in training x_<k = encode(medium) by the earlier representations

        low = Model(objective, Resized(pixels, (3, 16, 16)), Label(10, 64))
        high = Model(objective, pixels, Conditions(label=Label(10, 64), low=LowResolution((3, 64, 64), 0.5)))
        Cascade(low=low, high=high)

    The condition that a stage gives to the later ones has its name; they take it by naming it in their
    conditioner, beside conditions of the data. The last stage decodes. If it models one of several latents
    (`Latent(first, "bottom")`), all of them are sampled and decoded together. An earlier stage that a later
    one owns, such as that first stage, is trained before it as in `Staged`, and is not part of the chain.

    Arguments:
        models: `name=Model`, in training order.

    Attributes:
        chain: names of the stages that are sampled, in order.

    Errors: ConfigError for a stage that no later one takes as a condition, and for latents without a stage.
    """

    def __init__(self, **models: Model):
        super().__init__(**models)
        self.chain = [name for name in models if not _owners(models, name)]
        _check_chain(self)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the conditions of all stages, including those that earlier stages sample."""
        every = [name for stage in self.chain for name in names_of(self._stage(stage).conditioner)]
        return tuple(dict.fromkeys(every))

    @property
    def specs(self) -> Mapping[str, Any]:
        """What the conditions of the stages are, by name."""
        return {name: spec for stage in self.chain for name, spec in self._stage(stage).specs.items()}

    def taken(self, condition: Mapping[str, Tree]) -> Mapping[str, Tree]:
        """Those of the conditions of a data set that a stage takes."""
        return {name: condition[name] for name in self._data_names if name in condition}

    def conditions(self, condition: Any, n: int | None, argument: str = "condition") -> Mapping[str, Tree]:
        """The named conditions of n rows, on the model's device; see `name_conditions`."""
        known = self.names if isinstance(condition, Mapping) else self._data_names
        rows = name_conditions(known, condition, n, argument, self.specs)
        return tree_map(lambda leaf: leaf.to(self.device), rows)

    def stage_batch(self, name: str, batch: Batch, rng: Rng) -> Batch:
        """The rows with x of the earlier stages that the stage takes as conditions."""
        taken = names_of(self._stage(name).conditioner)
        earlier = self.chain[: self.chain.index(name)] if name in self.chain else []
        x: dict[str, Tree] = {}
        for other in (other for other in earlier if other in taken):
            stage = self._stage(other)
            with evaluating(stage), torch.no_grad():
                stream = _encoding(self, rng, other, name)
                x[other] = stage.representation.encode(batch.medium, stream, measure=False).x
        return replace(batch, condition={**batch.condition, **x})

    def sample_condition(self, rng: Rng) -> Mapping[str, Tree]:
        """Random conditions of the data, each drawn by the first stage that takes it."""
        return self.taken(_drawn_conditions([self._stage(name).conditioner for name in self.chain], rng))

    @explains_calls
    def sample(
        self, n: int | None = None, condition: Any = None,
        sampler: Sampler | Mapping[str, Sampler] | None = None,
        seed: int = 0, indices: Any = None, batch: int = 64, rank: Rank = ALONE,
        negative: Tree | None = None, precision: Precision = "fp32",
    ) -> Samples:  # fmt: skip
        """Draw n samples, stage after stage. In every stage, sample i depends on (seed, indices[i]) only.

        Arguments:
            n, seed, indices, batch, rank, precision: as in `Model.sample`.
            condition: conditions of the data, as in `Model.sample`, for every stage that takes them. What is
                given under the name of a stage is not sampled: `{"low": pictures}` upsamples these pictures.
            sampler: for every stage, or by stage. One for all does not guide stages without condition
                dropout, and a stage of another family has its own sampler, with the same guidance.
            negative: conditions for every stage that takes them, which must be guided.
        """
        keep_freed_memory()
        n = rows_of(self.conditions(condition, None), indices) if n is None else n
        n, seed, batch, indices = checked(self.representation, n, seed, batch, indices, sampler, precision)
        rng = Rng(seed, indices, ("sample",)).to(self.device)
        condition = self.sample_condition(rng.fork("draw")) or None if condition is None else condition
        given, unwanted = self.conditions(condition, n), self.conditions(negative, n, "negative")
        samplers, rows = samplers_of(self, sampler), rank.shard(torch.arange(n)).split(batch)
        with autocast(precision, self.device):
            x = [self.sample_batch(rng[r], index(given, r), samplers, index(unwanted, r)) for r in rows]
        with evaluating(self), torch.no_grad():
            medium = cat([self.decode(part) for part in x])
        medium = tree_map(lambda leaf: rank.gather(leaf, n), medium)
        settings = sampling_settings(seed, indices, samplers, unwanted, precision)
        return Samples(medium, given, self.representation, settings)

    def sample_batch(
        self, rng: Rng, condition: Mapping[str, Tree] | None = None,
        sampler: Sampler | Mapping[str, Sampler] | None = None, negative: Mapping[str, Tree] | None = None,
    ) -> Mapping[str, Tree]:  # fmt: skip
        """Draw one batch of x of every stage, not yet decoded, by the stage's name."""
        samplers, x = samplers_of(self, sampler), dict(condition or {})
        for name in (name for name in self.chain if name not in x):
            stage = self._stage(name)
            unwanted = stage.taken(negative or {})
            unwanted = stage.taken({**x, **unwanted}) if unwanted else unwanted
            x[name] = stage.sample_batch(rng.fork(name), stage.taken(x), samplers[name], unwanted)
        return {name: x[name] for name in self.chain}

    def decode(self, x: Mapping[str, Tree]) -> Tree:
        """Decode x of the stages: that of the last one, with the other latents of its first stage."""
        parts = {self._stage(name).representation.latent: x[name] for name in self._decoded}
        whole: Any = x[self.chain[-1]] if None in parts else parts
        return self.representation.decode(whole)

    def log_prob(self, medium: Tree, condition: Tree | None = None, **options: Any) -> Likelihood:
        r"""log p of all latents of one first stage; see `Model.log_prob` for the options.

            log p(medium | c) >= sum_k log p(z_k | z_<k, c) + log p(medium | z) - log q(z | medium)

        Errors: Unsupported for any other chain. If x_1 is a function of the medium, as a smaller picture is,
        log p(x_1) + log p(medium | x_1) is log p(medium, x_1), which for a density is not a bound; the last
        stage's own `log_prob` is log p(medium | x_1).
        """
        return Model.log_prob(cast(Model, self), medium, condition, **options)

    def log_prob_batch(self, batch: Batch, rng: Rng) -> Likelihood:
        """log p of one batch, differentiable."""
        if len(self.chain) == 1:
            return self.last.log_prob_batch(batch, rng)
        if self._decoded != self.chain:
            raise Unsupported(
                f"the Cascade has no likelihood, because {', '.join(self.chain)} are not the latents of one "
                f"first stage: use that of a stage, models[{self.chain[-1]!r}].log_prob(medium, condition)"
            )
        return _log_prob_of_latents(self, batch, rng)

    @property
    def _data_names(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.chain)

    @property
    def _decoded(self) -> list[str]:
        """The stages whose x is decoded: the last one, and those of other latents of its first stage."""
        return _together(self, self.chain[-1])

    def _stage(self, name: str) -> Any:
        return self.models[name]


def samplers_of(cascade: Cascade, sampler: Sampler | Mapping[str, Sampler] | None) -> Mapping[str, Sampler]:
    """The sampler of every stage, its own one if none is given; see `Cascade.sample`.

    Errors: ConfigError for an unknown stage.
    """
    if isinstance(sampler, Mapping):
        if unknown := sorted(sampler.keys() - set(cascade.chain)):
            raise ConfigError(f"sampler of {', '.join(unknown)}: the stages are {', '.join(cascade.chain)}")
        return {name: sampler.get(name) or _own_sampler(cascade, name) for name in cascade.chain}
    return {name: _fitted(cascade, name, sampler or _own_sampler(cascade, name)) for name in cascade.chain}


def guided_samplers(cascade: Cascade, scale: float) -> Mapping[str, Sampler]:
    """The own sampler of every stage, guided where conditions were dropped in training."""
    return {
        name: _fitted(cascade, name, Guided(_own_sampler(cascade, name), scale)) for name in cascade.chain
    }


def _owners(models: Mapping[str, Model], name: str) -> list[str]:
    """The later stages that contain the model of a stage."""
    later = list(models)[list(models).index(name) + 1 :]
    return [other for other in later if any(part is models[name] for part in models[other].modules())]


def _check_chain(cascade: Cascade) -> None:
    """Errors: ConfigError for a stage that is of no use to later ones, and for latents without a stage."""
    models: Any = cascade.models
    for i, name in enumerate(cascade.chain[:-1]):
        if not any(name in names_of(models[other].conditioner) for other in cascade.chain[i + 1 :]):
            raise ConfigError(
                f"no later stage takes the condition {name!r}: name it in a conditioner, as in "
                f"Conditions({name}=...)"
            )
    last = models[cascade.chain[-1]].representation
    sampled = [models[name].representation.latent for name in _together(cascade, cascade.chain[-1])]
    if missing := [latent for latent in (last.names if last.latent else ()) if latent not in sampled]:
        raise ConfigError(f"decoding requires all latents, but no stage samples {', '.join(missing)}")


def _together(cascade: Cascade, name: str) -> list[str]:
    """The stages of latents of the same first stage, which are decoded together; or the stage alone."""
    models: Any = cascade.models
    own = models[name].representation
    others = {other: models[other].representation for other in cascade.chain}
    return [
        other
        for other, r in others.items()
        if other == name or (r.latent and own.latent and r.first_stage is own.first_stage)
    ]


def _encoding(cascade: Cascade, rng: Rng, earlier: str, name: str) -> Rng:
    """The stream for x of an earlier stage: latents of one first stage are one draw of q(z | medium)."""
    group = _together(cascade, earlier)
    return rng.fork("encode") if name in group else rng.fork("previous", group[0])


def _fitted(cascade: Cascade, name: str, sampler: Any) -> Sampler:
    """A sampler of all stages for one of them: its own one if this is for another family, with its guidance.

    If some stages were trained with condition dropout, which guidance needs, the others are not guided.
    """
    unguided = sampler
    while isinstance(unguided, Guided):
        unguided = unguided.sampler
    is_last, drops = name == cascade.chain[-1], {other: _drops(cascade, other) for other in cascade.chain}
    fits = is_last or _samples(unguided, cascade.models[name])  # a last stage that it does not fit refuses it
    if not drops[name] and any(drops.values()):
        return unguided if fits else _own_sampler(cascade, name)
    if fits or not isinstance(sampler, Guided):
        return sampler if fits else _own_sampler(cascade, name)
    return Guided(_own_sampler(cascade, name), sampler.scale)


def _samples(sampler: Any, stage: Any) -> bool:
    """Whether a sampler is of the family of a stage."""
    try:
        getattr(sampler, "check", lambda objective: None)(stage.objective)
    except Unsupported:
        return False
    return True


def _own_sampler(cascade: Cascade, name: str) -> Sampler:
    """The default sampler of a stage."""
    stage: Any = cascade.models[name]
    return generative(stage.objective).default_sampler()


def _drops(cascade: Cascade, name: str) -> bool:
    """Whether a stage was trained with condition dropout."""
    return any(isinstance(part, Dropout) for part in own_modules(cascade.models[name]))


def _drawn_conditions(conditioners: Sequence[Any], rng: Rng) -> Mapping[str, Tree]:
    """Random conditions, each drawn by the first conditioner that has it."""
    drawn: dict[str, Tree] = {}
    for conditioner in filter(None, conditioners):
        value = conditioner.sample_condition(rng)
        drawn = drawn if value is None else {**conditioner.named(value), **drawn}
    return drawn


def _log_prob_of_latents(cascade: Cascade, batch: Batch, rng: Rng) -> Likelihood:
    """The sum over the stages, whose x are one draw of all latents, with its change of measure."""
    models: Mapping[str, Any] = cascade.models  # type: ignore[assignment]
    joint = Latent(cascade.representation.first_stage).encode(batch.medium, rng.fork("encode"))
    x = {name: joint.x[models[name].representation.latent] for name in cascade.chain}
    terms = []
    for name in cascade.chain:
        stage = models[name]
        given = stage.taken({**batch.condition, **x})
        check_given(stage.conditioner, given)
        context = stage.context(given, len(batch))
        part, stream = replace(joint, x=x[name]), rng.fork("objective", name)
        terms.append(generative(stage.objective).log_prob(part, context, stream))
    return likelihood_of_medium(_product(terms), joint, cascade)


def _product(terms: Sequence[Likelihood]) -> Likelihood:
    """log p(x_1) + log p(x_2 | x_1) + ...; independent standard errors add in squares."""
    kinds, measures = [term.kind for term in terms], [term.measure for term in terms]
    kind: Any = next((kind for kind in ("estimate", "lower_bound") if kind in kinds), "exact")
    errors = [term.stderr for term in terms if term.stderr is not None]
    return replace(
        terms[0],
        nats=torch.stack([term.nats for term in terms]).sum(0),
        kind=kind,
        measure="density" if "density" in measures else "mass",
        stderr=torch.stack(errors).square().sum(0).sqrt() if errors else None,
    )
