"""A model: objective x representation x conditioner, with the plan that trains it.

log p(medium | c) = log p(x | context(c)) + log_weight,   x = representation.encode(medium)
"""

__all__ = ["Model", "Samples", "copy_tensors", "evaluating", "load", "parameters", "save", "tensors"]

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int, Shaped
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from morphogen.component import Component, ConfigError, assets, build, describe
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Batch, Boundary, Conditioner, Context, Encoded, Likelihood, Losses, Objective, Representation, Sampler, owned
from morphogen.files import find_fault, naming, replacing, write_bytes, write_json, write_tensors
from morphogen.numerics.memory import keep_freed_memory
from morphogen.numerics.precision import Precision, autocast
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan
from morphogen.rank import ALONE, Rank
from morphogen.representations.audio import Waveform
from morphogen.representations.stamp import stamp


@dataclass(frozen=True)
class Samples:
    """What a model drew: the medium as a tensor [N, ...], what each row was asked to be, and what made them."""

    tensor: Shaped[Tensor, "n ..."]
    condition: Shaped[Tensor, "n ..."] | None
    representation: Representation
    made_by: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tensor)

    def decode(self) -> list[Any]:
        """The samples as a person's objects: PIL images, strings, ..."""
        return self.representation.present(self.tensor)

    def shown(self) -> list[Any]:
        """As `decode`, but rows of a table in words and sounds as their spectrograms: what a picture of them can hold."""
        return [_shown(row) for row in self.decode()]

    @property
    def record(self) -> dict[str, Any]:
        """What made them, with what each was asked to be."""
        return self.made_by | {"condition": None if self.condition is None else self.condition.tolist()}

    def save(self, directory: str | Path, rank: Rank = ALONE) -> list[Path]:
        """Each sample in its natural format, named by its index (rows of a table: samples.csv); samples.json with what made them.

        A picture carries what made it under "morphogen" (`representations.stamp`). Several processes that hold the same samples share
        the files; samples.json is there when all the others are.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        samples, indices = self.decode(), self.made_by.get("indices", range(len(self)))
        if isinstance(samples[0], Mapping):
            paths = [folder / "samples.csv"]
            rank.once(lambda: _write_table(paths[0], samples))
        else:
            paths = [folder / f"{i:04d}.{_suffix(sample)}" for i, sample in zip(indices, samples, strict=True)]
            for row in rank.share(torch.arange(len(self))).tolist():
                self._write(paths[row], samples[row], row)
        rank.once(lambda: write_json(folder / "samples.json", self.record))
        return paths

    def _write(self, path: Path, sample: Any, row: int) -> None:
        """A picture, a text or a sound, as the sample of that row."""
        with naming(path):  # a full disk has no path of its own
            if isinstance(sample, str):
                path.write_text(sample, encoding="utf8")
            elif isinstance(sample, Waveform):
                sample.save(path)
            else:
                sample.save(path, pnginfo=stamp(self._made(row)))

    def _made(self, row: int) -> dict[str, Any]:
        """What made one of them."""
        made = {key: value for key, value in self.made_by.items() if key != "indices"}
        asked = None if self.condition is None else self.condition[row].tolist()
        return made | {"index": self.made_by.get("indices", range(len(self)))[row], "condition": asked}


class Model(Component, Boundary):
    """p(medium | condition).

    Arguments:
        objective: the family, holding its networks.
        representation: what x is of the medium.
        conditioner: what the network sees of the condition; None: an unconditional law.
        plan: how it is trained.
    """

    def __init__(
        self, objective: Objective, representation: Representation, conditioner: Conditioner | None = None, plan: Plan | None = None
    ):
        super().__init__()
        self.objective, self.representation, self.conditioner = objective, representation, conditioner
        self.plan = plan if plan is not None else Plan(Adam(1e-3))

    @property
    def device(self) -> torch.device:
        """Where its numbers lie."""
        return next((t.device for t in [*self.parameters(), *self.buffers()]), torch.device("cpu"))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Whose parameters each turn moves: the objective's, the conditioner's with the first player."""
        players = self.objective.players()
        if self.conditioner is not None:
            next(iter(players.values())).extend(owned(self.conditioner))
        return players

    def forward(self, batch: Batch, rng: Rng, player: str) -> Losses:
        """The only entry of training: the player's losses on a batch."""
        x, context = self.observe(batch, rng)
        return self.objective.losses(x, context, rng.fork("objective"), player)

    def observe(self, batch: Batch, rng: Rng) -> tuple[Encoded, Context | None]:
        """A training batch as the objective sees it: encoded, its condition dropped where the conditioner drops."""
        return self.representation.encode(batch.medium, rng.fork("encode")), self.context(batch.condition, rng.fork("condition"))

    def prepare(self, batch: Batch, rng: Rng) -> None:
        """Data-dependent starts, once, on the first batch."""
        self.representation.prepare(batch.medium, rng.fork("prepare"))
        self.objective.prepare(*self.observe(batch, rng), rng.fork("objective"))

    def sample(
        self, n: int, condition: Shaped[Tensor, "..."] | int | None = None, sampler: Sampler | None = None, seed: int = 0,
        indices: Int[Tensor, " n"] | None = None, batch: int = 64, rank: Rank = ALONE,
        negative: Shaped[Tensor, "..."] | int | None = None, precision: Precision = "fp32",
    ) -> Samples:  # fmt: skip
        """Draw n samples, `batch` at a time. Sample i is a function of (seed, indices[i]) alone, whatever n and batch are.

        Arguments:
            n: how many.
            condition: one for all, or [n]; None: drawn by the conditioner, if there is one.
            sampler: how to draw; None: the paper's.
            seed: of all randomness.
            indices: which samples, [n]; None: the first n.
            batch: rows drawn at a time.
            rank: of several processes, all of which call this: each draws its share, and all get the whole.
            negative: a condition, one for all or [n], that `Guided` pushes away from in the place of none; the model need not have been
                trained without its condition.
            precision: in which the networks multiply; another than "fp32" draws other samples, nearly the same, in up to half the time
                (and of `inference.Quantized(model, BFloat16())` with half the bytes of weights).

        Errors: ConfigError for a negative condition that nothing pushes away from.
        """
        keep_freed_memory()
        indices = torch.arange(n) if indices is None else torch.as_tensor(indices)
        sampler = sampler if sampler is not None else self.objective.sampler()
        rng = Rng(seed, indices, ("sample",)).to(self.device)
        if condition is None and self.conditioner is not None:
            condition = self.conditioner.draw(rng.fork("draw"))
        made_by = {"seed": seed, "indices": indices.tolist(), "sampler": repr(sampler)}
        if negative is not None:
            made_by["negative"] = torch.as_tensor(negative).tolist()
        if precision != "fp32":
            made_by["precision"] = precision
        condition, negative = _asked(condition, n, self.device), _asked(negative, n, self.device)
        rows = rank.share(torch.arange(n)).split(batch)
        with autocast(precision, self.device):
            drawn = [self.draw(rng.fork("x")[r], _of(condition, r), sampler, _of(negative, r)) for r in rows]
        with evaluating(self), torch.no_grad():
            medium = torch.cat([self.representation.decode(x) for x in drawn])
        return Samples(rank.gather(medium, n), condition, self.representation, made_by)

    @torch.no_grad()
    def draw(
        self, rng: Rng, condition: Shaped[Tensor, "b ..."] | None = None, sampler: Sampler | None = None,
        negative: Shaped[Tensor, "b ..."] | None = None,
    ) -> Shaped[Tensor, "b ..."]:  # fmt: skip
        """One batch of x, before the representation decodes it: row i is that of `rng.rows[i]`."""
        sampler = sampler if sampler is not None else self.objective.sampler()
        with evaluating(self):
            context = self.context(condition)
            if negative is not None:
                context = self.away_from(context, negative, sampler)
            return sampler(self.objective, self.representation.shape, context, rng)

    def log_prob(
        self, medium: Shaped[Tensor, "n ..."], condition: Shaped[Tensor, "n ..."] | None = None, seed: int = 0,
        indices: Int[Tensor, " n"] | None = None, batch: int = 64, rank: Rank = ALONE,
    ) -> Likelihood:  # fmt: skip
        """log p(medium | condition) with its type; a density on a grid is refused. `rank`: as of `sample`."""
        indices = torch.arange(len(medium)) if indices is None else indices
        rows = rank.share(torch.arange(len(medium))).split(batch)
        with evaluating(self), torch.no_grad():
            parts = []
            for r in rows:
                rng = Rng(seed, indices[r], ("log_prob",)).to(self.device)
                given = None if condition is None else condition[r].to(self.device)
                parts.append(self.measure(Batch(medium[r].to(self.device), given), rng))
        nats, dims = (rank.gather(torch.cat(numbers), len(medium)) for numbers in ([p.nats for p in parts], [p.dims for p in parts]))
        errors = [p.stderr for p in parts if p.stderr is not None]
        stderr = rank.gather(torch.cat(errors), len(medium)) if errors else None
        return Likelihood(nats, dims, parts[0].kind, parts[0].measure, stderr)

    def measure(self, batch: Batch, rng: Rng) -> Likelihood:
        """log p of one batch, differentiable."""
        x = self.representation.encode(batch.medium, rng.fork("encode"))
        of_x = self.objective.log_prob(x, self.context(batch.condition), rng.fork("objective"))
        if of_x.measure == "density" and self.representation.discrete:
            raise ConfigError(
                f"{type(self.objective).__name__} is a density, {type(self.representation).__name__} puts x on a grid: "
                "its likelihood would grow without bound; wrap the representation, as in Dequantised(...)"
            )
        kind = of_x.kind if x.exact or of_x.kind == "estimate" else "lower_bound"
        return Likelihood(of_x.nats + x.log_weight, x.dims, kind, "mass" if self.representation.medium_discrete else "density", of_x.stderr)

    def context(self, condition: Shaped[Tensor, "b ..."] | None, rng: Rng | None = None) -> Context | None:
        """What the network sees of a condition; with a stream, as in training, where conditioners may drop it."""
        return None if self.conditioner is None or condition is None else self.conditioner(condition, rng)

    def away_from(self, context: Context | None, negative: Shaped[Tensor, "b ..."], sampler: Sampler) -> Context:
        """What guidance is told: a condition in the place of none. Errors: ConfigError where nothing pushes."""
        if context is None or self.conditioner is None:
            raise ConfigError("negative: what is drawn without a condition is not led away from one; leave it out")
        if context.prefix is not None:
            raise ConfigError("negative: a prompt is part of what is drawn; keep away from one by PromptGuided(..., instead=...)")
        if not isinstance(sampler, Guided):
            name = type(sampler).__name__
            raise ConfigError(f"negative: {name} pushes away from nothing; guide it, as in Guided({name}(), scale=3.0)")
        return replace(context, null=self.conditioner(negative))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, the former mode of every part after."""
    before = {m: m.training for m in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for m, mode in before.items():
            m.training = mode


def parameters(module: nn.Module) -> int:
    """How many numbers were learned."""
    return sum(math.prod(p.shape) for p in module.parameters())


def tensors(module: nn.Module, without: Iterable[nn.Module] = ()) -> dict[str, Tensor]:
    """The state to keep: parameters and buffers by name, each once (shared parts keep their first name), without those of `without`."""
    kept: dict[str, Tensor] = {}
    seen = {id(tensor) for part in without for tensor in part.state_dict(keep_vars=True).values()}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            kept[name] = tensor.detach()
    return kept


def copy_tensors(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy `values` into the tensors of the same names; names and shapes must agree one for one, or nothing is copied."""
    if own.keys() != values.keys():
        missing, unknown = sorted(own.keys() - values.keys())[:3], sorted(values.keys() - own.keys())[:3]
        raise ConfigError(f"weights do not fit: missing {missing}, unknown {unknown}")
    if wrong := [name for name, tensor in own.items() if tensor.shape != values[name].shape]:
        raise ConfigError(
            f"weights do not fit: {wrong[0]} is {tuple(values[wrong[0]].shape)}, the config says {tuple(own[wrong[0]].shape)}"
        )
    for name, tensor in own.items():
        tensor.copy_(values[name])


def save(model: Component, directory: str | Path) -> None:
    """Write config.json, its assets, weights.safetensors and the manifest of all into a directory: all of them, or nothing changes."""
    assert isinstance(model, nn.Module)
    with replacing(Path(directory)) as folder:
        for name, asset in assets(model).items():
            write_bytes(folder / name, asset.content)
        write_json(folder / "config.json", describe(model))
        write_tensors(folder / "weights.safetensors", tensors(model))


def load(directory: str | Path, device: str = "cpu") -> Any:
    """Read what `save` wrote. Errors: ConfigError that begins with the file which is missing, damaged or of another model."""
    folder = Path(directory)
    config, weights = folder / "config.json", folder / "weights.safetensors"
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not there: give the directory of a saved model")
    if (fault := find_fault(folder, sealed=False)) is not None:
        raise ConfigError(f"{folder}/{fault}")
    if missing := [file for file in (config, weights) if not file.exists()]:
        raise ConfigError(f"{missing[0]} is missing")
    try:
        model = build(json.loads(config.read_text(encoding="utf8")), folder)
    except Exception as error:  # whatever a file says may go wrong in any constructor: the file is at fault
        raise ConfigError(f"{config} does not describe a model ({_reason(error)})") from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{config} does not describe a model")
    model.to(device)
    try:
        copy_tensors(tensors(model), load_file(weights))
    except (ConfigError, SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{weights} cannot be used ({_reason(error)})") from error
    return model


def _asked(condition: Tensor | int | None, n: int, device: torch.device) -> Tensor | None:
    """One condition for each of n rows."""
    rows = None if condition is None else torch.as_tensor(condition, device=device)
    return rows.expand(n) if rows is not None and rows.ndim == 0 else rows


def _of(condition: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if condition is None else condition[rows]


def _suffix(sample: Any) -> str:
    """Of the file that a sample becomes."""
    return "txt" if isinstance(sample, str) else "wav" if isinstance(sample, Waveform) else "png"


def _shown(sample: Any) -> Any:
    """What of a sample can be drawn."""
    if isinstance(sample, Waveform):
        return sample.picture()
    return ", ".join(f"{name} {value}" for name, value in sample.items()) if isinstance(sample, Mapping) else sample


def _write_table(path: Path, rows: list[Mapping[str, Any]]) -> None:
    """Rows of a table as CSV, their names above."""
    with naming(path), path.open("w", encoding="utf8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
