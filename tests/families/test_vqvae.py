"""VQ-VAE: the straight-through gradient, the bound, the codes as a representation, collapse."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.catalogue import build_system
from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.autoregressive import Autoregressive
from morphogen.families.vae import VQVAE, Bernoulli, Codebook, ResidualQuantizer, VAESampler
from morphogen.model import Model
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan
from morphogen.representations import Latent, Pixels
from morphogen.training import train

PIXELS = Pixels(2, (1, 2, 2))
# all pictures of 2 x 2 black or white pixels
PICTURES = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4))).view(16, 1, 2, 2)


class Pointwise(Component, nn.Module):
    """A 1 x 1 convolution after tanh."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.layer = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.layer(x.tanh())


class Rows(Component, nn.Module):
    """The two pixels of each row, [B, 2, 2], and back."""

    def __init__(self, back: bool = False):
        super().__init__()
        self.back, self.layer = back, nn.Linear(2, 2)

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        if self.back:
            return self.layer(x.transpose(1, 2))[:, None]
        return self.layer(x[:, 0]).transpose(1, 2)


def rowwise(quantizer: Any = None) -> VQVAE:
    """Two codes of K = 3, one for each row of a picture."""
    torch.manual_seed(0)
    vae = VQVAE(Rows(), Rows(back=True), Bernoulli(), quantizer or Codebook(3, 2), (2,))
    vae.prepare(encoded(PICTURES), None, Rng(0, 16))
    return vae


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), 4.0))


def test_the_gradient_is_that_of_the_decoder_at_the_codes_and_of_the_commitment() -> None:
    """d loss / d z_e = d(-log p(x | z)) / dz at z = z_q, plus 2 beta (z_e - z_q)."""
    torch.manual_seed(0)
    x = Rng(0, 5).integers(2, 1, 4, 4).float() * 2 - 1
    encoder, decoder = Pointwise(1, 3), Pointwise(3, 1)
    vae = VQVAE(encoder, decoder, Bernoulli(), Codebook(6, 3), (4, 4), commitment=0.6)
    vae.quantizer.vectors.normal_(generator=torch.Generator().manual_seed(1))
    z = encoder(x, None).detach().requires_grad_()
    encoder.forward = lambda x, context: z  # type: ignore[method-assign]
    losses = vae.losses(encoded(x), None, Rng(0, 5), "model")
    gradient = torch.autograd.grad(losses.total.sum(), z)[0]
    codes = vae.quantizer.decode(vae.quantizer.encode(z)).requires_grad_()
    nll = -vae.likelihood.log_prob(x, decoder(codes, None))
    expected = torch.autograd.grad(nll.sum(), codes)[0] + 1.2 * (z - codes).detach()
    torch.testing.assert_close(gradient, expected)
    assert torch.equal(losses.terms["reconstruction"], nll)  # the decoder receives the codes themselves
    assert not list(vae.quantizer.parameters())


@pytest.mark.parametrize("depth", [1, 2])
def test_the_bound_is_below_the_sum_over_all_codes(depth: int) -> None:
    """K^N codes, one by one: their mixture sums to one over all pictures, and each bound is below it."""
    books = tuple(Codebook(3, 2) for _ in range(depth))
    vae = rowwise(ResidualQuantizer(books) if depth > 1 else books[0])
    shape = vae.latent_shape
    codes = torch.tensor(list(itertools.product(range(3), repeat=math.prod(shape)))).view(-1, *shape)
    with torch.no_grad():
        each = [vae.log_conditional(x.expand(len(codes), 1, 2, 2), codes) for x in PICTURES]
        mixture = torch.stack(each).logsumexp(1) - math.log(len(codes))
        bound = vae.log_prob(encoded(PICTURES), None, Rng(0, 16))
        nearest, log_q = vae.encode(PICTURES, Rng(0, 16))
        expected = vae.log_conditional(PICTURES, nearest) - math.log(len(codes))
    assert mixture.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert (bound.nats <= mixture + 1e-5).all() and (bound.kind, bound.measure) == ("lower_bound", "mass")
    torch.testing.assert_close(bound.nats, expected)
    assert not log_q.any()


def test_samples_follow_the_mixture_of_all_codes() -> None:
    """Frequencies of the 16 pictures in n = 20000 samples, seed 1, within 4 standard errors."""
    vae, n = rowwise(), 20_000
    codes = torch.tensor(list(itertools.product(range(3), repeat=2)))
    with torch.no_grad():
        each = [vae.log_conditional(x.expand(9, 1, 2, 2), codes) for x in PICTURES]
        p = torch.stack(each).exp().mean(1)
        x = VAESampler(draw="sample")(vae, (1, 2, 2), None, Rng(1, n))
    index = ((x.flatten(1) > 0) * torch.tensor([8, 4, 2, 1])).sum(1)
    frequency = torch.bincount(index, minlength=16) / n
    assert ((frequency - p).abs() < 4 * (p * (1 - p) / n).sqrt()).all()
    with pytest.raises(ConfigError, match=r"temperature=0.5"):
        VAESampler(temperature=0.5)(vae, (1, 2, 2), None, Rng(0, 1))


class Uniform(Component, nn.Module):
    """Logits of equal probabilities."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.vocabulary = vocabulary

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return torch.zeros(*x.shape, self.vocabulary)


def test_the_codes_are_a_discrete_representation_with_the_bound_of_the_first_stage() -> None:
    first = Model(rowwise(), PIXELS)
    latent = Latent(first)
    assert latent.discrete and latent.vocabulary == 3 and latent.shape == (2,)
    prior = Model(Autoregressive(Uniform(3)), latent)
    own, bound = (each.log_prob(PICTURES) for each in (first, prior))
    torch.testing.assert_close(own.nats, bound.nats)
    assert bound.kind == "lower_bound"


def trained(restart: float) -> Any:
    """A first stage of noisy grey squares, 12 of whose 16 codes start far away; 40 steps."""
    torch.manual_seed(0)
    shade = Rng(0, 128).fork("shade").integers(17, 1, 1, 1).float() / 8 - 1
    pixels = Pixels(17, (1, 8, 8))
    x = pixels.to_grid(shade + 0.2 * Rng(0, 128).normal(1, 8, 8))
    first: Any = build_system("vqvae", pixels, {}, "tiny").models["autoencoder"]
    first.plan = Plan(Adam(3e-3), batch=16)
    book = first.objective.quantizer
    book.decay, book.restart, prepare = 0.9, restart, book.prepare

    def far(z: Tensor, rng: Rng) -> None:
        prepare(z, rng)
        book.vectors[4:], book.sums[4:], book.counts[4:] = 1e3, 0.0, 0.0

    book.prepare = far
    train(first, x, steps=40, device="cpu", precision="fp32")
    return first, x


def test_restarts_prevent_the_collapse_of_the_codebook() -> None:
    """The perplexity of 16 codes on 128 rows: above 50 % with restarts, at most 4 of the mutant without."""
    perplexity = {}
    for restart in (0.1, 0.0):
        first, x = trained(restart)
        with torch.no_grad():
            ids, _ = first.objective.encode(x, Rng(0, len(x)))
        p = torch.bincount(ids.flatten(), minlength=16) / ids.numel()
        perplexity[restart] = torch.special.entr(p).sum().exp().item()
    assert perplexity[0.1] > 8 and perplexity[0.0] <= 4


def test_a_codebook_larger_than_the_data_is_refused() -> None:
    first: Any = build_system("vqvae", Pixels(17, (1, 8, 8)), {}, "small").models["autoencoder"]
    x = Rng(0, 8).integers(17, 1, 8, 8).float() / 8 - 1
    with pytest.raises(ConfigError, match=r"codes=256\): the first batch has 128 vectors only"):
        train(first, x, steps=1, device="cpu")
    with pytest.raises(ConfigError, match="commitment=0"):
        VQVAE(Rows(), Rows(back=True), Bernoulli(), Codebook(3, 2), (2,), commitment=0.0)


def test_a_prior_of_other_codes_is_refused() -> None:
    """Of another grid, or of fewer codes than the first stage has."""
    first: Any = build_system("vqvae", Pixels(17, (1, 8, 8)), {}, "tiny").models["autoencoder"]
    x = Rng(0, 16).integers(17, 1, 8, 8).float() / 8 - 1
    train(first, x, steps=1, device="cpu")
    for shape, codes, why in (
        ((3, 3), 16, r"shape \[3, 3\] receives x of \[4, 4\]"),
        ((4, 4), 8, "a vocabulary of 8, but x has the id 1"),
    ):
        prior = Model(Autoregressive(GatedPixelCNN(shape, codes, 8, 1)), Latent(first))
        with pytest.raises(ConfigError, match=why):
            train(prior, x, steps=1, device="cpu")
