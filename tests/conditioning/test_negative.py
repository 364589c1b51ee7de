"""A negative condition replaces the null condition of guidance, and is rejected without guidance."""

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
    """One prediction of eps at the middle of the chain, from noise."""

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Tensor:
        return objective.predict(rng.fork("start").normal(*shape), torch.full((len(rng),), 25), context)[1]


def model(conditioner: Any) -> Model:
    """A diffusion model with perturbed parameters, so that no output is the zero of initialization."""
    torch.manual_seed(0)
    network = UNet((1, 8, 8), 8, (1, 2), blocks=1, vector=16)
    made = Model(
        Diffusion(network, LinearBetas(1e-3, 0.4, 50), DiscretizedGaussian(17), bound_steps=8),
        Pixels(17, (1, 8, 8)),
        conditioner,
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


@pytest.mark.parametrize(
    "conditioner", [Label(10, 16), ConditionDropout(Label(10, 16))], ids=lambda c: type(c).__name__
)
def test_guidance_extrapolates_from_the_negative_to_the_condition(conditioner: Any) -> None:
    subject, rng = model(conditioner), Rng(3, 4)
    x, t = rng.fork("start").normal(1, 8, 8), torch.full((4,), 0.5)

    def prediction(label: int) -> Tensor:
        vector = conditioner(torch.full((4,), label)).vector
        return subject.objective.network(x, t, Context(vector=vector)).detach()  # type: ignore[operator]

    guided = subject.sample_batch(
        rng, {"label": torch.full((4,), 7)}, Guided(OneCall(), 3.0), {"label": torch.full((4,), 2)}
    )
    assert torch.allclose(guided, prediction(2) + 3.0 * (prediction(7) - prediction(2)), atol=1e-5)
    assert (guided - prediction(7)).abs().max() > 0.01


def test_samples_record_the_negative_and_depend_on_it() -> None:
    subject, guided = model(ConditionDropout(Label(10, 16))), Guided(DDIM(5), 3.0)
    plain, one, each = (
        subject.sample(4, 7, guided, negative=negative) for negative in (None, 2, torch.tensor([2, 2, 3, 3]))
    )
    assert (
        "negative" not in plain.settings
        and one.settings["negative"] == {"label": [2, 2, 2, 2]}
        and each.settings["negative"] == {"label": [2, 2, 3, 3]}
    )
    assert torch.equal(one.tensor[:2], each.tensor[:2])
    assert not torch.equal(one.tensor[2:], each.tensor[2:]) and not torch.equal(one.tensor, plain.tensor)


def test_guidance_without_dropout_or_negative_raises() -> None:
    with pytest.raises(
        ConfigError, match=r"trained with condition dropout.*give a negative condition"
    ) as error:
        model(Label(10, 16)).sample(2, 7, Guided(DDIM(5), 3.0))
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="guidance requires a condition"):
        model(None).sample(2, None, Guided(DDIM(5), 3.0))


@pytest.mark.parametrize(
    ("conditioner", "condition", "sampler", "why"),
    [
        (Label(10, 16), 7, DDIM(5), r"negative requires guidance: use Guided\(DDIM"),
        (None, None, Guided(DDIM(5), 3.0), "negative 2: the model takes no condition"),
        (
            Prefix(),
            torch.zeros(2, 1).long(),
            Guided(Ancestral(), 3.0),
            "negative does not apply to prompts",
        ),
    ],
)
def test_a_negative_without_guidance_raises_in_one_line(
    conditioner: Any, condition: Any, sampler: Any, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        model(conditioner).sample(2, condition, sampler, negative=2 if condition is None else condition)
    assert "\n" not in str(error.value)
