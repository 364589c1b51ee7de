"""A model: an objective, a representation and a conditioner, with the plan that trains it.

log p(medium | c) = log p(x | context(c)) + log_weight,   x = representation.encode(medium)
"""

__all__ = [
    "Model",
    "copy_tensors",
    "evaluating",
    "generative",
    "give_specs",
    "likelihood_of_medium",
    "load",
    "parameters",
    "sampling_settings",
    "save",
    "tensors",
    "with_negative",
]

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from morphogen.component import Component, ConfigError, assets, first_line, from_config, to_config
from morphogen.conditioning.guidance import Guided, check_guidance, guidances
from morphogen.conditioning.named import (
    check_conditions,
    check_given,
    draw_condition,
    name_conditions,
    names_of,
    own_specs,
    sole_name,
    with_label,
)
from morphogen.contract import (
    Batch,
    Boundary,
    Conditioner,
    ConditionSpec,
    Context,
    Encoded,
    Likelihood,
    Losses,
    Objective,
    Representation,
    Sampler,
    Trainable,
    Unsupported,
    owned,
)
from morphogen.distribution import HasDistribution
from morphogen.files import replacing, write_bytes, write_tensors
from morphogen.modes import evaluating
from morphogen.named_tensors import Converted, available_device, copy_tensors, parameters, tensors
from morphogen.numerics.masking import mark_missing
from morphogen.numerics.memory import keep_freed_memory
from morphogen.numerics.precision import Precision, autocast
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, cat, index, length, tree_map
from morphogen.ownership import start_trained
from morphogen.plan import Adam, Plan
from morphogen.rank import ALONE, Rank
from morphogen.samples import Samples, with_own_condition
from morphogen.sampling_arguments import checked, checked_rows, rows_of
from morphogen.saved_config import (
    CONFIG,
    WEIGHTS,
    check_directory,
    read_conditions,
    read_config,
    saved_folder,
    write_config,
)
from morphogen.wrong_calls import explains_calls


class Model(HasDistribution, Converted, Component, Boundary):
    """p(medium | condition), or a `Trainable` of another kind with its data (a classifier of them).

    Arguments:
        objective: the family's objective, which owns the networks.
        representation: encoder of the medium.
        conditioner: encoder of the condition; None: an unconditional model.
        plan: training hyperparameters; None: Adam with learning rate 1e-3.
    """

    specs: Mapping[str, ConditionSpec] = MappingProxyType({})  # what the conditions are: see `give_specs`

    def __init__(
        self, objective: Trainable, representation: Representation,
        conditioner: Conditioner | None = None, plan: Plan | None = None,
    ):  # fmt: skip
        super().__init__()
        self.objective, self.representation = _trainable(objective), representation
        self.conditioner, self.plan = conditioner, plan if plan is not None else Plan(Adam(1e-3))

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next((t.device for of in (self.parameters, self.buffers) for t in of()), torch.device("cpu"))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Parameters updated in each player's turn; those of the other parts belong to the first player."""
        players, parts = self.objective.players(), (self.representation, self.conditioner)
        next(iter(players.values())).extend(p for part in parts if part is not None for p in owned(part))
        return players

    @explains_calls
    def forward(self, batch: Batch, rng: Rng, player: str) -> Losses:
        """Losses of a player on a batch, of the medium if the representation is learned, and else of x."""
        x, context = self.encode_batch(batch, rng)
        losses = self.objective.losses(x, context, rng.fork("objective"), player)
        losses = losses.and_of(encoding=-x.log_weight) if self.representation.learned else losses
        return losses if batch.weight is None else losses.times(batch.weight)

    def encode_batch(self, batch: Batch, rng: Rng) -> tuple[Encoded, Context | None]:
        """Encode a training batch and its conditions, with condition dropout."""
        x = self.representation.encode_for_losses(batch.medium, rng.fork("encode"))
        return x, self.context(batch.condition, len(batch), rng.fork("condition"))

    def prepare(self, batch: Batch, rng: Rng) -> None:
        """Initialization by the data and by trained models inside, called once on the first batch."""
        start_trained(self)
        self.representation.prepare(batch.medium, rng.fork("prepare"))
        self.objective.prepare(*self.encode_batch(batch, rng), rng.fork("objective"))

    @explains_calls
    def sample(
        self, n: int | None = None, condition: Any = None, sampler: Sampler | None = None,
        seed: int = 0, indices: Any = None, batch: int | None = None, rank: Rank = ALONE,
        negative: Tree | None = None, precision: Precision = "fp32",
    ) -> Samples:  # fmt: skip
        """Draw n samples. Sample i depends on (seed, indices[i]) only, not on n or the batch size.

        Arguments:
            n: number of samples; None: one for each of the indices, or of the conditions.
            condition: one for all samples, or n, by name: {"label": 3} or {"label": "cat"}, where a table's
                column of classes may stand for "label"; the name may be left out if the model has one
                condition; None: drawn by the conditioner, if there is one.
            sampler: None: the objective's default sampler.
            seed: random seed.
            indices: which samples of the seed to draw, [n]; None: the first n.
            batch: samples drawn at a time; None: as many as suit the medium, 64 or, for tables, 512.
            rank: of this process. Every rank calls this method, draws its shard and returns all samples.
            negative: a condition, one or n, for `Guided` in place of the null one, which need not be trained.
            precision: of the networks; "bf16" takes up to half the time, for nearly the same samples.
        """
        keep_freed_memory()
        n = rows_of(self.conditions(condition, None), indices) if n is None else n
        n, seed, batch, indices = checked(self.representation, n, seed, batch, indices, sampler, precision)
        sampler = sampler if sampler is not None else generative(self.objective).default_sampler()
        rng = Rng(seed, indices, ("sample",)).to(self.device)
        condition = draw_condition(self.conditioner, rng.fork("draw")) if condition is None else condition
        given, unwanted = self.conditions(condition, n), self.conditions(negative, n, "negative")
        settings = sampling_settings(seed, indices, sampler, unwanted, precision)
        parts = []
        with evaluating(self):
            for r in rank.shard(torch.arange(n)).split(batch):  # x may be much larger than the medium
                with autocast(precision, self.device):
                    x = _drawn(self, rng.fork("x")[r], index(given, r), sampler, index(unwanted, r))
                with torch.no_grad():
                    parts.append(self.representation.decode(x))
        medium = tree_map(lambda leaf: rank.gather(leaf, n), cat(parts))
        return Samples(medium, given, self.representation, settings)

    def sample_batch(
        self, rng: Rng, condition: Mapping[str, Tree] | None = None, sampler: Sampler | None = None,
        negative: Mapping[str, Tree] | None = None,
    ) -> Tree:  # fmt: skip
        """Draw one batch of x, not yet decoded; row i is the sample of index `rng.rows[i]`."""
        sampler = sampler if sampler is not None else generative(self.objective).default_sampler()
        with evaluating(self):
            return _drawn(self, rng, condition or {}, sampler, negative or {})

    @explains_calls
    def log_prob(
        self, medium: Tree, condition: Tree | None = None,
        seed: int = 0, indices: Any = None, batch: int | None = None, rank: Rank = ALONE,
    ) -> Likelihood:  # fmt: skip
        """log p(medium | condition) of each row, with its kind and measure.

        Arguments:
            medium: [n, ...], as `representation.check` takes it; or `Samples`, with their condition.
            condition: [n, ...], as in `sample`; None: the classes in a table's own column, or p(medium).
            seed: of Monte Carlo estimates and dequantisation.
            indices: index of each row in the data set, which keys its randomness, [n]; None: 0 .. n-1.
            batch, rank: rows evaluated at a time; see `sample`.

        Errors: Unsupported without a likelihood; ConfigError for a density of discrete data.
        """
        medium, given = _measured(self, medium, condition)
        n, whole = length(medium), Batch(medium, given)
        seed, batch, indices = checked_rows(self.representation, n, seed, batch, indices)
        rows = rank.shard(torch.arange(n)).split(batch)
        with evaluating(self), torch.no_grad():
            rng = Rng(seed, indices, ("log_prob",)).to(self.device)
            parts = [self.log_prob_batch(whole[r].to(self.device), rng[r]) for r in rows]
        return _gathered(parts, rank, n)

    def log_prob_batch(self, batch: Batch, rng: Rng) -> Likelihood:
        """log p of one batch, differentiable."""
        check_given(self.conditioner, batch.condition)
        x, n = self.representation.encode(batch.medium, rng.fork("encode")), len(batch)
        context, rng = self.context(batch.condition, n), rng.fork("objective")
        return likelihood_of_medium(generative(self.objective).log_prob(x, context, rng), x, self)

    def conditions(self, condition: Any, n: int | None, argument: str = "condition") -> Mapping[str, Tree]:
        """The named conditions of n rows, on the model's device; see `name_conditions`."""
        return tree_map(lambda leaf: leaf.to(self.device), _named(self, condition, n, argument))

    def taken(self, condition: Mapping[str, Tree]) -> Mapping[str, Tree]:
        """Those of the conditions of a data set that the model takes."""
        return {name: condition[name] for name in names_of(self.conditioner) if name in condition}

    def context(self, condition: Mapping[str, Tree], n: int, rng: Rng | None = None) -> Context | None:
        """Encode the conditions of n rows; with `rng`, as in training, condition dropout is active."""
        if self.conditioner is None:
            return None
        given = self.conditioner.select(condition)
        if given is None:
            return self.conditioner.absent(n)
        return replace(self.conditioner(given, rng), condition=condition)


def generative(objective: Trainable) -> Objective:
    """Return an objective that generates samples. Errors: Unsupported for another `Trainable`."""
    if not isinstance(objective, Objective):
        name = type(objective).__name__
        raise Unsupported(f"{name} does not generate samples and has no likelihood: {objective.usage}")
    return objective


def with_negative(
    model: Model, context: Context | None, negative: Mapping[str, Tree], sampler: Sampler
) -> Context:
    """Replace the null context by a negative condition. Errors: ConfigError without guidance."""
    if context is None or model.conditioner is None:
        raise ConfigError("negative requires a condition: give one, or omit negative")
    if context.prefix is not None:
        raise ConfigError("negative does not apply to prompts: use PromptGuided(..., instead=...)")
    if not any(isinstance(guidance, Guided) for guidance in guidances(sampler)):
        name = type(sampler).__name__
        raise ConfigError(f"negative requires guidance: use Guided({name}(), scale=3.0)")
    return replace(context, null=model.conditioner(model.conditioner.select(negative)))


def likelihood_of_medium(of_x: Likelihood, x: Encoded, model: Any) -> Likelihood:
    """log p(medium) from log p(x). Errors: ConfigError for a density of discrete data."""
    if of_x.measure == "density" and model.representation.discrete:
        raise ConfigError(
            f"{type(model.objective).__name__} is a density, but {type(model.representation).__name__} is "
            "discrete, so that it is unbounded; wrap the representation, as in Dequantised(...)"
        )
    kind = of_x.kind if x.exact or of_x.kind == "estimate" else "lower_bound"
    measure: Literal["mass", "density"] = "mass" if model.representation.medium_discrete else "density"
    return replace(of_x, nats=of_x.nats + x.log_weight, dims=x.dims, kind=kind, measure=measure)


def sampling_settings(
    seed: int,
    indices: Int[Tensor, " n"],
    sampler: Sampler | Mapping[str, Sampler],
    negative: Mapping[str, Tree],
    precision: Precision,
) -> dict[str, Any]:
    """What the samples were made with, as JSON."""
    settings = {"seed": seed, "indices": indices.tolist(), "sampler": repr(sampler)}
    settings |= {"negative": tree_map(Tensor.tolist, negative)} if negative else {}
    return settings if precision == "fp32" else settings | {"precision": precision}


def give_specs(model: nn.Module, specs: Mapping[str, ConditionSpec]) -> None:
    """Give a model and its stages what their conditions are, such as the classes' names, unless they know.

    They are not part of the config, which describes the computation, but `save` writes them next to it.
    """
    for part in model.modules():
        if isinstance(part, Model) and not part.specs:
            part.specs = {name: specs[name] for name in names_of(part.conditioner) if name in specs}


@explains_calls
def save(model: Component, directory: str | Path) -> None:
    """Save config.json, its assets, weights.safetensors and their manifest atomically into a directory."""
    if not isinstance(model, nn.Module) or not isinstance(model, Component):
        kind = type(model).__name__
        raise ConfigError(f"save: {kind} is no model; write mg.save(model, directory), with the whole model")
    target = check_directory(directory)
    specs = {n: spec for part in [*model.modules()][::-1] for n, spec in getattr(part, "specs", {}).items()}
    with replacing(target) as folder:
        for name, asset in (assets(model) | assets(specs)).items():
            write_bytes(folder / name, asset.content)
        conditions = {name: to_config(spec) for name, spec in specs.items()}
        write_config(folder / CONFIG, to_config(model), conditions)
        write_tensors(folder / WEIGHTS, tensors(model))


@explains_calls
def load(directory: str | Path, device: Any = "cpu") -> Any:
    """Load a saved model onto a device; "auto": the GPU if there is one.

    Errors: ConfigError that names the missing, damaged or outdated file, or the device.
    """
    folder = saved_folder(Path(directory).expanduser())
    config, weights = folder / CONFIG, folder / WEIGHTS
    parts, conditions = read_config(config), read_conditions(config)
    try:
        model = from_config(parts, folder)
        specs = {name: from_config(spec, folder) for name, spec in conditions.items()}
    except Exception as error:  # a wrong value may fail in any constructor; the file is at fault
        raise ConfigError(
            f"{config} does not describe a model of this version ({first_line(error)})"
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{config} does not describe a model")
    give_specs(model, specs)
    model.to(available_device(device))
    try:
        copy_tensors(tensors(model), load_file(weights))
    except (ConfigError, SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{weights} cannot be used ({first_line(error)})") from error
    return model


def _trainable(objective: Any) -> Any:
    """The objective of a model. Errors: ConfigError for a network, which belongs into one."""
    if isinstance(objective, Trainable):
        return objective
    kind = type(objective).__name__
    raise ConfigError(
        f"Model: {kind} is no objective: give it to one, as in Model(Diffusion({kind}(), ...), ...), "
        'or build a model by name, mg.build_system("ddpm", data)'
    )


def _readers(model: Model) -> Mapping[str, ConditionSpec]:
    """What reads conditions in words, by name: the representation of texts reads their prompts."""
    source = getattr(model.representation, "source", None)
    prompts = {"prompt": source} if isinstance(source, ConditionSpec) else {}
    return {**prompts, **own_specs(model.conditioner), **model.specs}


def _named(model: Model, condition: Any, n: int | None, argument: str) -> Mapping[str, Tree]:
    """The conditions of n rows by name. Errors: ConfigError for values that the conditioner does not take."""
    names, sole = names_of(model.conditioner), sole_name(model.conditioner)
    condition = with_label(condition, model.representation)
    rows = name_conditions(names, condition, n, argument, _readers(model), sole)
    check_conditions(model.conditioner, rows)
    return rows


def _measured(model: Any, given: Any, condition: Any) -> tuple[Tree, Mapping[str, Tree]]:
    """The medium whose likelihood is evaluated, and its conditions: those given, or its own.

    Errors: first of all, Unsupported without a likelihood.
    """
    objective = getattr(model, "last", model).objective
    if type(generative(objective)).log_prob is Objective.log_prob:
        raise Unsupported(objective.unmeasured.format(type(objective).__name__))
    given, condition = with_own_condition(given, condition, model.conditioner)
    own = model.representation.conditions_in(given)  # also checks columns that the model does not know
    beside = own if condition is None else condition
    if isinstance(beside, Mapping):
        beside = model.taken(with_label(beside, model.representation))
    medium = model.representation.check(given)
    model.representation.check_measured(medium)
    return medium, model.conditions(beside, length(medium))


@torch.no_grad()
def _drawn(
    model: Model, rng: Rng, condition: Mapping[str, Tree], sampler: Sampler, negative: Mapping[str, Tree]
) -> Tree:
    """One batch of x of a model in evaluation mode; see `Model.sample_batch`."""
    context = model.context(condition, len(rng))
    context = with_negative(model, context, negative, sampler) if negative else context
    check_guidance(model.conditioner, sampler)
    objective = generative(model.objective)
    mask = model.representation.draw_mask(rng.fork("size"))
    context, rng = objective.receive_mask(mask, context, rng)
    return mark_missing(sampler(objective, model.representation.shape, context, rng), mask)


def _gathered(parts: list[Likelihood], rank: Rank, n: int) -> Likelihood:
    """The likelihoods of this rank's rows, joined with those of the others."""
    nats = rank.gather(torch.cat([p.nats for p in parts]), n)
    dims = rank.gather(torch.cat([p.dims for p in parts]), n)
    errors = [p.stderr for p in parts if p.stderr is not None]
    stderr = rank.gather(torch.cat(errors), n) if errors else None
    return replace(parts[0], nats=nats, dims=dims, stderr=stderr)
