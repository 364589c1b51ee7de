"""A VAE whose likelihood is an autoregressive model: masses, decoding and reconstruction of texts."""

import pytest
import torch
from scipy import stats

import morphogen as mg
from morphogen.catalogue import build_system
from morphogen.cli.arguments import choose_sampler
from morphogen.component import ConfigError
from morphogen.contract import Batch, Encoded
from morphogen.families.autoregressive import Ancestral, Autoregressive, Greedy, logits_processors
from morphogen.families.diffusion import D3PM, AbsorbingNoise
from morphogen.families.vae import VAE, LatentDecoding, LearnedLikelihood
from morphogen.inference import LatentSpace, slerp
from morphogen.networks.denoising_transformer import DenoisingTransformer
from morphogen.networks.perceptron import Perceptron
from morphogen.networks.recurrent import Recurrent
from morphogen.networks.sequence_encoder import SequenceEncoder
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Characters
from morphogen.training.loop import train

LENGTH, V, WIDTH = 3, 3, 8
TEXTS = ["a cat", "a dog sat", "the cat ran", "no", "the dog sat down", "yes", "a cat ran", "cats"]


@pytest.fixture(scope="module")
def vae() -> VAE:
    """Texts of 3 tokens out of 3, whose first depends strongly on z."""
    torch.manual_seed(0)
    likelihood = LearnedLikelihood(Autoregressive(Recurrent(V, WIDTH, vector=WIDTH)), (LENGTH,), Greedy())
    objective = VAE(
        SequenceEncoder(V, 4, WIDTH), Perceptron((2,), (WIDTH,), (WIDTH,)), likelihood, latent_shape=(2,)
    )
    for parameter in objective.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    return objective.eval()


def every_text() -> torch.Tensor:
    return torch.cartesian_prod(*[torch.arange(V)] * LENGTH)


def test_masses_given_z_sum_to_one_and_depend_on_z(vae: VAE) -> None:
    x = every_text()
    masses = [vae.log_conditional(x, Rng(s, 1).normal(2).expand(len(x), -1)).exp() for s in range(3)]
    assert all(each.sum().item() == pytest.approx(1, abs=1e-5) for each in masses)
    assert not torch.allclose(masses[0], masses[1], atol=1e-3)


def test_the_bound_approaches_the_mass_that_samples_have(vae: VAE) -> None:
    """p(x) by 4000 draws of the prior; 4000 samples agree, chi-square p > 0.01; k = 64, in 0.3 nats."""
    x, n = every_text(), 4000
    z = Rng(0, n).normal(2)
    with torch.no_grad():
        mass = torch.stack([vae.log_conditional(one.expand(n, -1), z).exp().mean() for one in x])
        drawn = vae.default_sampler()(vae, (LENGTH,), None, Rng(1, n))
        counts = torch.bincount((drawn * torch.tensor([9, 3, 1])).sum(1), minlength=len(x))
        often = mass * n > 5
        expected = torch.cat([mass[often], 1 - mass[often].sum()[None]]).double().clamp_min(1e-4)
        found = torch.cat([counts[often], n - counts[often].sum()[None]])
        assert stats.chisquare(found, expected / expected.sum() * n).pvalue > 0.01
        vae.bound_samples = 64
        encoded = Encoded(x, torch.zeros(len(x)), torch.ones(len(x)))
        bound = vae.log_prob(encoded, None, Rng(2, len(x)))
    assert (bound.kind, bound.measure, bound.draws) == ("lower_bound", "mass", 64)
    gap = (mass * (mass.log() - bound.nats)).sum()
    assert -0.05 < gap < 0.3


def test_texts_are_decoded_by_the_decoders_of_texts(vae: VAE) -> None:
    """Greedy decoding is a function of z, and a cold temperature approaches it; n = 200."""
    greedy = LatentDecoding(Greedy())(vae, (LENGTH,), None, Rng(0, 200))
    cold = LatentDecoding(Ancestral(logits_processors(temperature=1e-4)))(vae, (LENGTH,), None, Rng(0, 200))
    warm = LatentDecoding(Ancestral())(vae, (LENGTH,), None, Rng(0, 200))
    assert torch.equal(greedy, cold) and not torch.equal(greedy, warm)
    z = vae.sample_latents(None, Rng(0, 200).fork("prior"), 1.0)
    assert torch.equal(greedy, vae.decode(z))


def test_options_of_the_command_line_are_those_of_the_decoder() -> None:
    model = build_system("text_vae", Characters("abc", 4), {}, "tiny")
    numeric = {"temperature": 0.5, "top_k": 2}
    chosen = choose_sampler(model, None, 1.0, numeric, {})
    assert repr(chosen) == repr(LatentDecoding(Ancestral(logits_processors(**numeric))))
    assert repr(choose_sampler(model, "greedy", 1.0, {}, {})) == repr(LatentDecoding(Greedy()))
    assert model.sample(2, sampler=chosen).tensor.shape == (2, 4)


def test_a_likelihood_that_is_a_bound_is_refused() -> None:
    text = mg.representations.Bytes(4)
    block = build_system("d3pm_text", text, {}, "tiny").objective.network.block
    network = DenoisingTransformer(257, 256, block, 1, None)
    objective = D3PM(network, AbsorbingNoise(256, 4), bound_steps=4)
    likelihood = LearnedLikelihood(objective, (4,), Greedy())
    with pytest.raises(ConfigError, match="D3PM has lower_bound likelihoods"):
        likelihood.log_prob(torch.zeros(2, 4, dtype=torch.long), torch.zeros(2, 0))


def test_trained_on_texts_it_writes_them_again_and_what_lies_between() -> None:
    """8 texts of different lengths, 300 steps, seed 0: all are reconstructed, and an arc has its ends."""
    text = Characters.of("".join(TEXTS), 16)
    torch.manual_seed(0)
    model = build_system("text_vae", text, {}, "tiny", changes={"objective.bound.beta": 0.05})
    ids = text.check(TEXTS)
    train(model, Repeated(ids), steps=300)
    space = LatentSpace(model)
    z = space.encode(ids)
    assert cut(space.decode(z).tensor, ids, text) == TEXTS
    path = space.decode(slerp(z[0], z[4], 5))
    ends = cut(path.tensor[[0, 4]], ids[[0, 4]], text)
    assert ends == [TEXTS[0], TEXTS[4]]
    likelihood = model.log_prob(ids)
    assert (likelihood.kind, likelihood.measure) == ("lower_bound", "mass")


def cut(decoded: torch.Tensor, ids: torch.Tensor, text: Characters) -> list[str]:
    """Decoded texts, to the length of the original: characters have no end token."""
    return [
        text.detokenize(row[: int((one >= 0).sum())].tolist()) for row, one in zip(decoded, ids, strict=True)
    ]


class Repeated:
    """Texts, again and again."""

    def __init__(self, ids: torch.Tensor):
        self.ids = ids.repeat(8, 1)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: torch.Tensor) -> Batch:
        return Batch(self.ids[rows])
