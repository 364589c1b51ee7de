"""Models as torch distributions: shapes, gradients, and the same numbers as the model's own methods."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Unsupported
from morphogen.families.flow import Flow, SingleScale
from morphogen.model import Model, give_specs
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.points import Points
from morphogen.representations.text import Bytes
from tests.families.test_flow import randomise

PIXELS = Pixels(17, (1, 4, 4))
CLASSES = {"label": Classes(names=("cat", "dog", "owl"))}


def flow(vector: int = 8) -> Model:
    torch.manual_seed(0)
    model = Model(Flow(SingleScale(2, 16, 1, 4, vector)), Points(2), Label(3, vector) if vector else None)
    randomise(model)
    give_specs(model, CLASSES)
    return model


def test_the_numbers_are_those_of_the_model() -> None:
    model = flow()
    p = model.distribution(["cat", "dog", "owl"])
    assert p.batch_shape == (3,) and p.event_shape == (2,)
    x = p.sample((5,))
    assert x.shape == (5, 3, 2) and not x.requires_grad
    expected = model.log_prob(x.reshape(15, 2), condition=["cat", "dog", "owl"] * 5).nats
    torch.testing.assert_close(p.log_prob(x).detach().flatten(), expected, rtol=0, atol=1e-6)
    assert not torch.equal(p.log_prob(x), p.log_prob(x.flip(1)))  # each row has its own condition


def test_calls_differ_and_torchs_seed_repeats_them() -> None:
    p = flow().distribution("owl")
    torch.manual_seed(3)
    first, second = p.sample((4,)), p.sample((4,))
    torch.manual_seed(3)
    assert p.batch_shape == () and torch.equal(p.sample((4,)), first) and not torch.equal(first, second)


def test_reparameterized_samples_are_the_samples_with_gradient() -> None:
    model = flow()
    p = model.distribution(["owl", "cat"])
    torch.manual_seed(0)
    drawn = p.sample((6,))
    torch.manual_seed(0)
    with_gradient = p.rsample((6,))
    assert p.has_rsample and torch.equal(drawn, with_gradient)
    with_gradient.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.objective.parameters())


def test_maximum_likelihood_as_for_any_torch_distribution() -> None:
    """A loop in torch's terms reaches the entropy of N((1, -1), 0.5^2 I): 4,096 rows, 4 standard errors.

    The model has nothing but a shift and a scale of each entry to learn; before, it is 5 nats above.
    """
    truth, model = Independent(Normal(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.5])), 1), flow(0)
    torch.manual_seed(1)
    rows, p = truth.sample((4096,)), model.distribution()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    excess = []
    for _ in range(300):
        difference = truth.log_prob(rows) - p.log_prob(rows)
        excess.append((difference.mean().item(), difference.std().item() / 64))
        optimizer.zero_grad()
        difference.mean().backward()
        optimizer.step()
    assert excess[0][0] > 1 and abs(excess[-1][0]) < 0.02 + 4 * excess[-1][1]
    assert kl_divergence(truth, truth).item() == 0  # torch's own functions take the truth as before


@pytest.mark.parametrize("name", ["mixture", "realnvp", "gated_pixelcnn", "vae", "ddpm"])
def test_pictures_have_their_shape_and_no_differentiable_samples(name: str) -> None:
    model = build_system(name, PIXELS if name != "realnvp" else Pixels(17, (1, 8, 8)), {}, "tiny")
    p = model.distribution()
    side = p.event_shape[-1]
    x = torch.zeros(3, 2, 1, side, side)
    assert p.log_prob(x).shape == (3, 2) and not p.has_rsample
    with pytest.raises(Unsupported, match=r"use sample\(\)"):
        p.rsample((2,))


def test_texts_and_stages() -> None:
    text = build_system("gpt", Bytes(16), {}, "tiny").distribution()
    assert text.log_prob(text.sample((2,))).shape == (2,)
    latent = build_system("latent_flow", Pixels(17, (1, 8, 8)), {}, "tiny").distribution()
    assert latent.sample((2,)).shape == (2, 1, 8, 8) and not latent.has_rsample


def test_a_likelihood_of_another_row_count_or_shape_is_refused() -> None:
    p = flow().distribution(["cat", "dog", "owl"])
    for shape in (4, 2), (3, 3), (2,):
        with pytest.raises(ConfigError, match=r"give \[\.\.\., 3, 2\]"):
            p.log_prob(torch.zeros(shape))


def test_a_gan_has_samples_and_no_density() -> None:
    p = build_system("dcgan", Pixels(17, (1, 8, 8)), {}, "tiny").distribution()
    assert p.sample((2,)).shape == (2, 1, 8, 8)
    with pytest.raises(Unsupported, match="has no likelihood"):
        p.log_prob(torch.zeros(2, 1, 8, 8))


def test_equal_rows_of_one_batch_have_the_likelihood_of_single_ones() -> None:
    model = flow()
    one = model.log_prob_batch(Batch(torch.ones(1, 2), {"label": torch.tensor([1])}), Rng(0, 1)).nats
    assert torch.allclose(model.distribution("dog").log_prob(torch.ones(2)), one[0], atol=1e-6)
