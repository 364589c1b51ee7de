"""Toy models for each kind of training (regression with dropout, two players, statistics), and their rows."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Batch, Boundary, Context, Encoded, Losses, Objective, Representation, Sampler
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.plan import SGD, Adam, AdamW, Cosine, Plan
from morphogen.staged import Staged


class Rows:
    """Points [n, 4] in memory; row `poisoned` is NaN."""

    def __init__(self, n: int = 20, poisoned: int | None = None, dtype: torch.dtype = torch.float32):
        self.medium = torch.randn(n, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
        if poisoned is not None:
            self.medium[poisoned] = torch.nan

    def __len__(self) -> int:
        return len(self.medium)

    def __getitem__(self, rows: Tensor) -> Batch:
        return Batch(self.medium[rows])


class ToyPoints(Representation):
    def __init__(self, first: Boundary | None = None):
        super().__init__()
        self.first: Any = first
        self.shape, self.discrete, self.medium_discrete = (4,), False, False

    def encode(self, medium: Tensor, rng: Rng, measure: bool = True) -> Encoded:
        x = medium if self.first is None else self.first.objective.network(medium)
        return Encoded(x, torch.zeros(len(medium)), torch.full((len(medium),), 4))

    def decode(self, x: Tensor) -> Tensor:
        return x

    def present(self, medium: Tensor) -> list[Any]:
        return medium.tolist()


class ToyNormal(Sampler):
    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Tensor:
        return rng.normal(*shape)


class ToyDenoise(Objective):
    """|| network(x + noise) - x ||^2 with unequal row weights; `prepare` sets `seen` from the data."""

    def __init__(self, dropout: float = 0.0, noise: float = 0.5):
        super().__init__()
        self.dropout, self.noise = dropout, noise
        self.network = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 4))
        self.register_buffer("seen", torch.zeros(4))

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        noisy = x.x + self.noise * rng.fork("noise").normal(4).to(x.x)
        error = (self.network(noisy) - x.x).square().sum(1)
        return Losses({"error": error}, weight=1 + x.x.detach()[:, 0].square().nan_to_num())

    def default_sampler(self) -> Sampler:
        return ToyNormal()

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        self.seen.copy_(x.x.mean(0))


class ToyDuel(Objective):
    """Two players with a layer each, three critic turns per generator turn; the generator is named first."""

    turns = ("critic", "critic", "critic", "generator")

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.critic = nn.Linear(4, 4), nn.Linear(4, 1)

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {"generator": list(self.generator.parameters()), "critic": list(self.critic.parameters())}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        fake = self.generator(rng.fork("z").normal(4))
        score = self.critic(fake)[:, 0]
        assert fake.requires_grad == (player == "generator"), "the other player requires gradients"
        return Losses({"w": -score if player == "generator" else score - self.critic(x.x)[:, 0]})

    def default_sampler(self) -> Sampler:
        return ToyNormal()


class ToyMean(Objective):
    """Closed-form fit of the mean by `statistics` and `update_from_statistics`, without parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {"model": []}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        statistics = {"sum": x.x.sum(0), "count": torch.tensor(float(len(x)))}
        return Losses({"error": (x.x - self.mean).square().sum(1)}, statistics=statistics)

    def default_sampler(self) -> Sampler:
        return ToyNormal()

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        self.mean.lerp_(statistics["sum"] / statistics["count"], 0.5)


def denoiser(
    dropout: float = 0.2, optimizer: Component | None = None, first: Boundary | None = None, **plan: Any
) -> Model:
    torch.manual_seed(3)
    settings: dict[str, Any] = {"batch": 6, "schedule": Cosine(warmup=2), "ema": 0.99, "clip": 5.0} | plan
    return Model(ToyDenoise(dropout), ToyPoints(first), plan=Plan(optimizer or AdamW(1e-2), **settings))


def batch_norm(**plan: Any) -> Model:
    """A denoiser whose network has batch normalization."""
    model = denoiser(0.0, **plan)
    model.objective.network.insert(1, nn.BatchNorm1d(16))
    return model


def duel() -> Model:
    torch.manual_seed(3)
    return Model(
        ToyDuel(),
        ToyPoints(),
        plan=Plan({"generator": Adam(1e-2), "critic": SGD(1e-2, 0.9)}, batch=6, ema=0.9),
    )


def mean(batch: int = 0) -> Model:
    return Model(ToyMean(), ToyPoints(), plan=Plan(Adam(), batch=batch, ema=0.9))


def two_stages() -> Staged:
    first = denoiser()
    return Staged(first=first, second=denoiser(first=first))


MAKERS = {"denoiser": denoiser, "duel": duel, "mean": lambda: mean(6)}


def contents(directory: Path) -> dict[str, bytes]:
    """Files of a training, of every stage, that do not depend on the clock."""
    kept = ("**/checkpoints/*/*.safetensors", "**/model/*", "**/metrics.jsonl")
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for pattern in kept
        for path in directory.glob(pattern)
    }
