"""The adversarial reconstruction: its terms, lambda, its players, and that it stays an autoencoder."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.context import Context
from morphogen.contract import Autoencoder, Batch, Encoded
from morphogen.families.vae import (
    ELBO,
    VAE,
    VQVAE,
    AdversarialReconstruction,
    Codebook,
    DiscretizedLogistic,
    FeatureDistance,
    ImportanceWeighted,
    SharedScaleLogistic,
)
from morphogen.families.vae.adversarial import DELTA
from morphogen.model import Model
from morphogen.networks.convnet import ConvDecoder, ConvEncoder
from morphogen.networks.mlp import MLP
from morphogen.networks.patch_discriminator import PatchDiscriminator
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.training.loop import train

SHAPE, LEVELS, ROWS = (1, 8, 8), 17, 12


def pictures(n: int = ROWS) -> Tensor:
    return Rng(7, n).integers(LEVELS, *SHAPE).float() / 8 - 1


def encoded(n: int = ROWS) -> Encoded:
    return Encoded(pictures(n), torch.zeros(n), torch.full((n,), 64.0))


def vae(**options: Any) -> VAE:
    likelihood = DiscretizedLogistic(LEVELS)
    encoder, decoder = ConvEncoder(SHAPE, (4, 4, 4), (4, 8)), ConvDecoder((2, 4, 4), (2, 8, 8), (4, 8))
    return VAE(encoder, decoder, likelihood, (2, 4, 4), bound=options.get("bound", ELBO(1e-3)))


def vqvae() -> VQVAE:
    encoder, decoder = ConvEncoder(SHAPE, (3, 4, 4), (4, 8)), ConvDecoder((3, 4, 4), SHAPE, (4, 8))
    return VQVAE(encoder, decoder, SharedScaleLogistic(LEVELS), Codebook(8, 3), (4, 4))


def around(autoencoder: Any, **options: Any) -> AdversarialReconstruction:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(SHAPE, (4, 8))
    objective = AdversarialReconstruction(
        autoencoder, discriminator, FeatureDistance(discriminator), **options
    )
    objective.prepare(encoded(), None, Rng(0, ROWS))
    return objective


AUTOENCODERS = {"vae": vae, "vqvae": vqvae}


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_its_losses_are_those_of_the_autoencoder_and_two_more(name: str) -> None:
    objective = around(AUTOENCODERS[name](), perceptual=0.3, adversarial=0.7)
    objective.balance.fill_(2.0)
    x, rng = encoded(), Rng(3, ROWS)
    losses, own = (part.losses(x, None, rng, "autoencoder") for part in (objective, objective.autoencoder))
    for term in own.terms:
        assert torch.equal(losses.terms[term], own.terms[term])
    assert losses.metrics.keys() - own.metrics.keys() == {"lambda"}
    assert losses.terms.keys() - own.terms.keys() == {"perceptual", "adversarial"}
    y = reconstructed(objective, rng)
    scores = objective.discriminator(y)
    torch.testing.assert_close(losses.terms["adversarial"], -1.4 * scores.mean((1, 2)))
    torch.testing.assert_close(losses.terms["perceptual"], 0.3 * 64 * objective.distance(x.x, y))
    if name == "vae":  # the codes of a VQVAE are the same for any noise
        hinge = objective.losses(x, None, rng, "discriminator").terms
        torch.testing.assert_close(hinge["fake"], (1 + scores).clamp_min(0).mean((1, 2)) / 2)
        real = (1 - objective.discriminator(x.x)).clamp_min(0).mean((1, 2)) / 2
        torch.testing.assert_close(hinge["real"], real)


def reconstructed(objective: AdversarialReconstruction, rng: Rng) -> Tensor:
    """The reconstruction of both turns, which name their noise so."""
    z, _ = objective.encode(pictures(), rng.fork("posterior"))
    return objective.decode(z)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_lambda_is_the_ratio_of_the_gradients_of_the_last_layer(name: str) -> None:
    """By its definition, of the mean losses of a batch; then by two halves, as micro-batches give it."""
    objective = around(AUTOENCODERS[name](), perceptual=20.0)
    x, rng, last = encoded(), Rng(3, ROWS), objective.autoencoder.network.head.weight
    losses = objective.losses(x, None, rng, "autoencoder")
    objective.update_from_statistics(losses.statistics, step=0)
    reconstruction = (losses.terms["reconstruction"] + losses.terms["perceptual"]).mean()
    score = objective.discriminator(reconstructed(objective, rng)).mean()
    norms = [
        torch.autograd.grad(value, last, retain_graph=True)[0].norm() for value in (reconstruction, score)
    ]
    assert norms[0] > 1 and norms[1] > 1e-4
    expected = norms[0] / (norms[1] + DELTA)
    torch.testing.assert_close(objective.balance, expected, rtol=1e-3, atol=0)
    halves = [
        objective.losses(
            Encoded(x.x[rows], x.log_weight[rows], x.dims[rows]), None, rng[rows], "autoencoder"
        ).statistics
        for rows in (slice(0, 5), slice(5, ROWS))
    ]
    objective.update_from_statistics({key: halves[0][key] + halves[1][key] for key in halves[0]}, step=2)
    torch.testing.assert_close(objective.balance, expected, rtol=1e-3, atol=0)


def test_the_score_counts_after_the_start() -> None:
    objective = around(vae(), start=4)
    seen = []
    for step in (0, 2, 4):
        losses = objective.losses(encoded(), None, Rng(step, ROWS), "autoencoder")
        seen.append(bool(losses.terms["adversarial"].any()))
        objective.update_from_statistics(losses.statistics, step)
    assert seen == [False, False, False] and objective.weight > 0  # 5 steps are finished now
    assert not around(vae(), adversarial=0.0).weight


class Rows:
    """The pictures as a data set."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, rows: Tensor) -> Batch:
        return Batch(pictures()[rows])


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_a_turn_trains_its_own_player_only(name: str) -> None:
    """The first step is a turn of the autoencoder, the second one of the discriminator."""
    model = Model(around(AUTOENCODERS[name]()), Pixels(LEVELS, SHAPE), None, Plan(Adam(1e-2), batch=ROWS))
    before = copy.deepcopy(model.players())
    assert not {id(p) for p in model.players()["autoencoder"]} & {
        id(p) for p in model.players()["discriminator"]
    }
    changed = []
    for steps in (1, 2):
        trained = copy.deepcopy(model)
        train(trained, Rows(), steps=steps)
        assert all(p.grad is None for p in trained.parameters())
        changed.append(
            [
                any(not torch.equal(p, q) for p, q in zip(before[player], after, strict=True))
                for player, after in trained.players().items()
            ]
        )
    assert changed == [[True, False], [True, True]]


def test_the_discriminator_has_no_gradient_in_the_turn_of_the_autoencoder() -> None:
    objective = around(vae())
    objective.balance.fill_(1.0)
    losses = objective.losses(encoded(), None, Rng(0, ROWS), "discriminator").total.sum()
    assert all(g is None for g in gradients(losses, objective.autoencoder))
    objective.discriminator.requires_grad_(False)  # as the training loop does
    losses = objective.losses(encoded(), None, Rng(0, ROWS), "autoencoder").total.sum()
    losses.backward()
    assert all(p.grad is None for p in objective.discriminator.parameters())
    assert all(p.grad is not None for p in objective.autoencoder.parameters())


def gradients(value: Tensor, module: nn.Module) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(value, list(module.parameters()), allow_unused=True)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_it_remains_the_autoencoder(name: str) -> None:
    objective, x = around(AUTOENCODERS[name]()), pictures()
    own = objective.autoencoder
    assert isinstance(objective, Autoencoder)
    model, plain = (Model(part, Pixels(LEVELS, SHAPE)) for part in (objective, own))
    assert torch.equal(model.log_prob(x).nats, plain.log_prob(x).nats)
    assert torch.equal(model.sample(4, seed=2).tensor, plain.sample(4, seed=2).tensor)
    latents = [Latent(each).encode(x, Rng(1, ROWS)) for each in (model, plain)]
    assert torch.equal(latents[0].x, latents[1].x)
    assert torch.equal(latents[0].log_weight, latents[1].log_weight)
    assert torch.equal(Latent(model).decode(latents[0].x), Latent(plain).decode(latents[0].x))


def test_the_warmup_of_the_autoencoder_goes_on() -> None:
    objective = around(vae(bound=ELBO(1.0, warmup=10)))
    losses = objective.losses(encoded(), None, Rng(0, ROWS), "autoencoder")
    objective.update_from_statistics(losses.statistics, step=4)
    assert objective.autoencoder.bound.weight == 0.5


class KnownFeatures(Component, nn.Module):
    """Two layers of known features: x itself, and x moved by a number."""

    def __init__(self, by: float):
        super().__init__()
        self.by = by

    def features(self, x: Tensor) -> list[Tensor]:
        return [x, x + self.by]


def test_the_distance_is_that_of_unit_vectors() -> None:
    x, y = (
        torch.tensor([[3.0, 4.0], [1.0, 0.0]])[..., None],
        torch.tensor([[6.0, 8.0], [0.0, 2.0]])[..., None],
    )
    torch.testing.assert_close(FeatureDistance(KnownFeatures(0.0))(x, y), torch.tensor([0.0, 4.0]))
    moved = torch.tensor([2.0, 1.0]) / 5**0.5 - torch.tensor([1.0, 3.0]) / 10**0.5
    expected = 2.0 + moved.square().sum()
    torch.testing.assert_close(FeatureDistance(KnownFeatures(1.0))(x, y)[1], expected)
    places = torch.cat([x, x], 2), torch.cat([x, y], 2)  # the mean over places: half of it
    torch.testing.assert_close(FeatureDistance(KnownFeatures(1.0))(*places)[1], expected / 2)


@torch.no_grad()
def test_patches_of_the_discriminator() -> None:
    discriminator = PatchDiscriminator((3, 28, 28), (8, 16, 16))
    x = torch.randn(2, 3, 28, 28)
    assert discriminator(x).shape == (2, 7, 7)
    assert [f.shape[1:] for f in discriminator.features(x)] == [(8, 14, 14), (16, 7, 7), (16, 7, 7)]
    assert PatchDiscriminator((1, 2, 2), (4, 8))(torch.randn(3, 1, 2, 2)).shape == (3, 1, 1)
    with pytest.raises(ConfigError, match="cannot be halved 2 times"):
        PatchDiscriminator((1, 3, 3), (4, 8, 8))


def test_what_it_cannot_train_is_refused() -> None:
    discriminator = PatchDiscriminator(SHAPE, (4, 8))
    distance, x = FeatureDistance(discriminator), encoded()
    with pytest.raises(ConfigError, match="its last layer"):
        flat = VAE(MLP(2, 4, 8, 1), MLP(2, 4, 8, 1), DiscretizedLogistic(5), (2,))
        AdversarialReconstruction(flat, discriminator, distance)
    with pytest.raises(ConfigError, match="adversarial=-1"):
        AdversarialReconstruction(vae(), discriminator, distance, adversarial=-1.0)
    several = around(vae(bound=ImportanceWeighted(3)))
    with pytest.raises(ConfigError, match="one z of each row"):
        several.losses(x, None, Rng(0, ROWS), "autoencoder")


def test_the_discriminator_sees_a_detached_context() -> None:
    class ContextDiscriminator(PatchDiscriminator):
        def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
            assert context is not None and context.vector is not None
            return super().forward(x) + context.vector.sum()

    discriminator = ContextDiscriminator(SHAPE, (4, 8))
    objective = AdversarialReconstruction(vae(), discriminator, FeatureDistance(discriminator))
    objective.balance.fill_(1.0)
    vector = torch.ones(ROWS, 3, requires_grad=True)
    for player in objective.turns:
        total = objective.losses(encoded(), Context(vector=vector), Rng(0, ROWS), player).total.sum()
        assert torch.autograd.grad(total, vector, allow_unused=True) == (None,)
