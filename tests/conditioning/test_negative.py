"""A negative condition stands where no condition would: seen by two calls of the network, and refused where nothing pushes."""

from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.contract import Context, Sampler
from morphogen.families.autoregressive.decoding import Ancestral
from morphogen.families.diffusion import DDIM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels


class OneCall(Sampler):
    """What the network says of noise in the middle of the chain."""

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Tensor:
        return objective.denoise(rng.fork("start").normal(*shape), torch.full((len(rng),), 25), context)[1]


def model(conditioner: Any) -> Model:
    """Shaken, so that no output is the zero of the start."""
    torch.manual_seed(0)
    network = UNet((1, 8, 8), 8, (1, 2), blocks=1, vector=16)
    made = Model(Diffusion(network, LinearBetas(1e-3, 0.4, 50), DiscretizedGaussian(17), bound_steps=8), Pixels(17, (1, 8, 8)), conditioner)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


@pytest.mark.parametrize("conditioner", [Label(10, 16), ConditionDropout(Label(10, 16))], ids=lambda c: type(c).__name__)
def test_guidance_goes_from_the_negative_to_the_condition(conditioner: Any) -> None:
    subject, rng = model(conditioner), Rng(3, 4)
    x, t = rng.fork("start").normal(1, 8, 8), torch.full((4,), 0.5)

    def said(label: int) -> Tensor:
        vector = conditioner(torch.full((4,), label)).vector
        return subject.objective.network(x, t, Context(vector=vector)).detach()  # type: ignore[operator]

    found = subject.draw(rng, torch.full((4,), 7), Guided(OneCall(), 3.0), torch.full((4,), 2))
    assert torch.allclose(found, said(2) + 3.0 * (said(7) - said(2)), atol=1e-5)
    assert (found - said(7)).abs().max() > 0.01


def test_samples_say_what_they_were_kept_from_and_another_negative_makes_others() -> None:
    subject, guided = model(ConditionDropout(Label(10, 16))), Guided(DDIM(5), 3.0)
    plain, one, each = (subject.sample(4, 7, guided, negative=negative) for negative in (None, 2, torch.tensor([2, 2, 3, 3])))
    assert "negative" not in plain.made_by and one.made_by["negative"] == 2 and each.made_by["negative"] == [2, 2, 3, 3]
    assert torch.equal(one.tensor[:2], each.tensor[:2])
    assert not torch.equal(one.tensor[2:], each.tensor[2:]) and not torch.equal(one.tensor, plain.tensor)


def test_without_dropout_guidance_alone_is_refused_and_says_why() -> None:
    with pytest.raises(ConfigError, match=r"trained without its condition.*give a negative condition") as error:
        model(Label(10, 16)).sample(2, 7, Guided(DDIM(5), 3.0))
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="a condition to guide towards"):
        model(None).sample(2, None, Guided(DDIM(5), 3.0))


@pytest.mark.parametrize(
    ("conditioner", "condition", "sampler", "why"),
    [
        (Label(10, 16), 7, DDIM(5), r"negative: DDIM pushes away from nothing; guide it, as in Guided\(DDIM"),
        (None, None, Guided(DDIM(5), 3.0), "negative: what is drawn without a condition is not led away"),
        (Prefix(), torch.zeros(2, 1).long(), Guided(Ancestral(), 3.0), "negative: a prompt is part of what is drawn"),
    ],
)
def test_a_negative_that_nothing_pushes_from_is_refused_in_a_line(conditioner: Any, condition: Any, sampler: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        model(conditioner).sample(2, condition, sampler, negative=2)
    assert "\n" not in str(error.value)
