"""A model: an objective, a representation and a conditioner, with the plan that trains it.

log p(medium | c) = log p(x | context(c)) + log_weight,   x = representation.encode(medium)
"""

__all__ = ["Model", "copy_tensors", "evaluating", "load", "parameters", "save", "tensors", "with_negative"]

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int, Shaped
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from morphogen.component import Component, ConfigError, assets, from_config, to_config
from morphogen.conditioning.guidance import Guided, guidances
from morphogen.contract import (
    Batch,
    Boundary,
    Conditioner,
    Context,
    Encoded,
    Likelihood,
    Losses,
    Objective,
    Representation,
    Sampler,
    owned,
)
from morphogen.files import find_fault, replacing, write_bytes, write_json, write_tensors
from morphogen.numerics.masking import mark_missing
from morphogen.numerics.memory import keep_freed_memory
from morphogen.numerics.precision import Precision, autocast
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan
from morphogen.rank import ALONE, Rank
from morphogen.samples import Samples


class Model(Component, Boundary):
    """p(medium | condition).

    Arguments:
        objective: the family's objective, which owns the networks.
        representation: encoder of the medium.
        conditioner: encoder of the condition; None: an unconditional model.
        plan: training hyperparameters; None: Adam with learning rate 1e-3.
    """

    def __init__(
        self, objective: Objective, representation: Representation,
        conditioner: Conditioner | None = None, plan: Plan | None = None,
    ):  # fmt: skip
        super().__init__()
        self.objective, self.representation, self.conditioner = objective, representation, conditioner
        self.plan = plan if plan is not None else Plan(Adam(1e-3))

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next((t.device for t in [*self.parameters(), *self.buffers()]), torch.device("cpu"))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Parameters updated in each player's turn; the conditioner's belong to the first player."""
        players = self.objective.players()
        if self.conditioner is not None:
            next(iter(players.values())).extend(owned(self.conditioner))
        return players

    def forward(self, batch: Batch, rng: Rng, player: str) -> Losses:
        """Losses of a player on a batch; the only method called in training."""
        x, context = self.encode_batch(batch, rng)
        return self.objective.losses(x, context, rng.fork("objective"), player)

    def encode_batch(self, batch: Batch, rng: Rng) -> tuple[Encoded, Context | None]:
        """Encode a training batch and its conditions, with condition dropout."""
        x = self.representation.encode(batch.medium, rng.fork("encode"))
        return x, self.context(batch.condition, rng.fork("condition"))

    def prepare(self, batch: Batch, rng: Rng) -> None:
        """Data-dependent initialization, called once on the first batch."""
        self.representation.prepare(batch.medium, rng.fork("prepare"))
        self.objective.prepare(*self.encode_batch(batch, rng), rng.fork("objective"))

    def sample(
        self, n: int, condition: Shaped[Tensor, "..."] | int | None = None, sampler: Sampler | None = None,
        seed: int = 0, indices: Int[Tensor, " n"] | None = None, batch: int = 64, rank: Rank = ALONE,
        negative: Shaped[Tensor, "..."] | int | None = None, precision: Precision = "fp32",
    ) -> Samples:  # fmt: skip
        """Draw n samples. Sample i depends on (seed, indices[i]) only, not on n or the batch size.

        Arguments:
            n: number of samples.
            condition: one for all samples, or [n]; None: drawn by the conditioner, if there is one.
            sampler: None: the objective's default sampler.
            seed: random seed.
            indices: which samples of the seed to draw, [n]; None: the first n.
            batch: samples drawn at a time.
            rank: of this process. Every rank calls this method, draws its shard and returns all samples.
            negative: a condition, one for all samples or [n], that `Guided` uses in place of the null
                condition, also
                for models trained without condition dropout. Errors: ConfigError without guidance.
            precision: of the networks. "bf16" takes up to half the time and gives nearly the same samples;
                `inference.Quantized(model, BFloat16())` also halves the memory of the weights.
        """
        keep_freed_memory()
        indices = torch.arange(n) if indices is None else torch.as_tensor(indices)
        sampler = sampler if sampler is not None else self.objective.default_sampler()
        rng = Rng(seed, indices, ("sample",)).to(self.device)
        if condition is None and self.conditioner is not None:
            condition = self.conditioner.sample_condition(rng.fork("draw"))
        settings = _settings(seed, indices, sampler, negative, precision)
        condition, negative = _expand(condition, n, self.device), _expand(negative, n, self.device)
        rows = rank.shard(torch.arange(n)).split(batch)
        with autocast(precision, self.device):
            x = [
                self.sample_batch(rng.fork("x")[r], _rows(condition, r), sampler, _rows(negative, r))
                for r in rows
            ]
        with evaluating(self), torch.no_grad():
            medium = torch.cat([self.representation.decode(part) for part in x])
        return Samples(rank.gather(medium, n), condition, self.representation, settings)

    @torch.no_grad()
    def sample_batch(
        self, rng: Rng, condition: Shaped[Tensor, "b ..."] | None = None, sampler: Sampler | None = None,
        negative: Shaped[Tensor, "b ..."] | None = None,
    ) -> Shaped[Tensor, "b ..."]:  # fmt: skip
        """Draw one batch of x, not yet decoded; row i is the sample of index `rng.rows[i]`."""
        sampler = sampler if sampler is not None else self.objective.default_sampler()
        with evaluating(self):
            context = self.context(condition)
            if negative is not None:
                context = with_negative(self, context, negative, sampler)
            mask = self.representation.draw_mask(rng.fork("size"))
            context, rng = self.objective.receive_mask(mask, context, rng)
            x = sampler(self.objective, self.representation.shape, context, rng)
            return mark_missing(x, mask)

    def log_prob(
        self, medium: Shaped[Tensor, "n ..."], condition: Shaped[Tensor, "n ..."] | None = None,
        seed: int = 0, indices: Int[Tensor, " n"] | None = None, batch: int = 64, rank: Rank = ALONE,
    ) -> Likelihood:  # fmt: skip
        """log p(medium | condition) of each row, with its kind and measure.

        Arguments:
            medium: [n, ...].
            condition: [n, ...]; None: unconditional.
            seed: of Monte Carlo estimates and dequantisation.
            indices: index of each row in the data set, which keys its randomness, [n]; None: 0 .. n-1.
            batch: rows evaluated at a time.
            rank: see `sample`.

        Errors: Unsupported without a likelihood; ConfigError for a density of discrete data.
        """
        indices = torch.arange(len(medium)) if indices is None else indices
        rows = rank.shard(torch.arange(len(medium))).split(batch)
        with evaluating(self), torch.no_grad():
            parts = []
            for r in rows:
                rng = Rng(seed, indices[r], ("log_prob",)).to(self.device)
                given = None if condition is None else condition[r].to(self.device)
                parts.append(self.log_prob_batch(Batch(medium[r].to(self.device), given), rng))
        nats = rank.gather(torch.cat([p.nats for p in parts]), len(medium))
        dims = rank.gather(torch.cat([p.dims for p in parts]), len(medium))
        errors = [p.stderr for p in parts if p.stderr is not None]
        stderr = rank.gather(torch.cat(errors), len(medium)) if errors else None
        return Likelihood(nats, dims, parts[0].kind, parts[0].measure, stderr)

    def log_prob_batch(self, batch: Batch, rng: Rng) -> Likelihood:
        """log p of one batch, differentiable."""
        x = self.representation.encode(batch.medium, rng.fork("encode"))
        of_x = self.objective.log_prob(x, self.context(batch.condition), rng.fork("objective"))
        if of_x.measure == "density" and self.representation.discrete:
            raise ConfigError(
                f"{type(self.objective).__name__} is a density, but {type(self.representation).__name__} is "
                "discrete, so that it is unbounded; wrap the representation, as in Dequantised(...)"
            )
        kind = of_x.kind if x.exact or of_x.kind == "estimate" else "lower_bound"
        measure: Literal["mass", "density"] = "mass" if self.representation.medium_discrete else "density"
        return Likelihood(of_x.nats + x.log_weight, x.dims, kind, measure, of_x.stderr)

    def context(self, condition: Shaped[Tensor, "b ..."] | None, rng: Rng | None = None) -> Context | None:
        """Encode a condition; with `rng`, as in training, condition dropout is active."""
        return None if self.conditioner is None or condition is None else self.conditioner(condition, rng)


def with_negative(
    model: Model, context: Context | None, negative: Shaped[Tensor, "b ..."], sampler: Sampler
) -> Context:
    """Replace the null context by a negative condition. Errors: ConfigError without guidance."""
    if context is None or model.conditioner is None:
        raise ConfigError("negative requires a condition: give one, or omit negative")
    if context.prefix is not None:
        raise ConfigError("negative does not apply to prompts: use PromptGuided(..., instead=...)")
    if not any(isinstance(guidance, Guided) for guidance in guidances(sampler)):
        name = type(sampler).__name__
        raise ConfigError(f"negative requires guidance: use Guided({name}(), scale=3.0)")
    return replace(context, null=model.conditioner(negative))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Context manager: evaluation mode inside, the previous mode of every submodule afterwards."""
    before = {m: m.training for m in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for m, mode in before.items():
            m.training = mode


def parameters(module: nn.Module) -> int:
    """Number of learned parameters."""
    return sum(math.prod(p.shape) for p in module.parameters())


def tensors(module: nn.Module, without: Iterable[nn.Module] = ()) -> dict[str, Tensor]:
    """Parameters and buffers by name, shared ones under their first name, except those of `without`."""
    kept: dict[str, Tensor] = {}
    seen = {id(tensor) for part in without for tensor in part.state_dict(keep_vars=True).values()}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            kept[name] = tensor.detach()
    return kept


def copy_tensors(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy `values` into the tensors of the same names. Errors: ConfigError if names or shapes differ."""
    if own.keys() != values.keys():
        missing, unknown = sorted(own.keys() - values.keys())[:3], sorted(values.keys() - own.keys())[:3]
        raise ConfigError(f"weights do not fit: missing {missing}, unknown {unknown}")
    if wrong := [name for name, tensor in own.items() if tensor.shape != values[name].shape]:
        name = wrong[0]
        shapes = f"{tuple(values[name].shape)}, the config says {tuple(own[name].shape)}"
        raise ConfigError(f"weights do not fit: {name} is {shapes}")
    for name, tensor in own.items():
        tensor.copy_(values[name])


def save(model: Component, directory: str | Path) -> None:
    """Save config.json, its assets, weights.safetensors and their manifest atomically into a directory."""
    assert isinstance(model, nn.Module)
    with replacing(Path(directory)) as folder:
        for name, asset in assets(model).items():
            write_bytes(folder / name, asset.content)
        write_json(folder / "config.json", to_config(model))
        write_tensors(folder / "weights.safetensors", tensors(model))


def load(directory: str | Path, device: str = "cpu") -> Any:
    """Load a saved model. Errors: ConfigError that names the missing, damaged or unfitting file."""
    folder = Path(directory)
    config, weights = folder / "config.json", folder / "weights.safetensors"
    if not folder.is_dir():
        raise ConfigError(f"{folder} does not exist: give the directory of a saved model")
    if (fault := find_fault(folder, sealed=False)) is not None:
        raise ConfigError(f"{folder}/{fault}")
    if missing := [file for file in (config, weights) if not file.exists()]:
        raise ConfigError(f"{missing[0]} is missing")
    try:
        model = from_config(json.loads(config.read_text(encoding="utf8")), folder)
    except Exception as error:  # a wrong value may fail in any constructor; the file is at fault
        raise ConfigError(f"{config} does not describe a model of this version ({_reason(error)})") from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{config} does not describe a model")
    model.to(device)
    try:
        copy_tensors(tensors(model), load_file(weights))
    except (ConfigError, SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{weights} cannot be used ({_reason(error)})") from error
    return model


def _settings(
    seed: int, indices: Tensor, sampler: Sampler, negative: Tensor | int | None, precision: Precision
) -> dict[str, Any]:
    """What the samples were made with, as JSON."""
    settings = {"seed": seed, "indices": indices.tolist(), "sampler": repr(sampler)}
    if negative is not None:
        settings["negative"] = torch.as_tensor(negative).tolist()
    return settings if precision == "fp32" else settings | {"precision": precision}


def _expand(condition: Tensor | int | None, n: int, device: torch.device) -> Tensor | None:
    """Expand one condition to n rows."""
    rows = None if condition is None else torch.as_tensor(condition, device=device)
    return rows.expand(n) if rows is not None and rows.ndim == 0 else rows


def _rows(condition: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if condition is None else condition[rows]


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
