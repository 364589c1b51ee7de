"""Picture editing: unmasked pixels are kept exactly, variants are independent, conditions have an effect."""

from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.contract import Unsupported
from morphogen.data import load_data
from morphogen.families.diffusion import DDIM, DDPM, Heun
from morphogen.inference import DDIMTranslate, Inpaint, SDEdit, edit
from morphogen.inference.editing import Edit, picture_shape
from morphogen.model import Model
from morphogen.representations.pixels import Pixels
from morphogen.systems.ddpm import ddpm
from morphogen.systems.edm import edm
from morphogen.systems.vae import vae

MASK = torch.zeros(8, 8, dtype=torch.bool)
MASK[4:] = True
GUIDED = Guided(DDIM(5), 3.0)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return load_data("digits").test.first(3).medium


def perturbed(system: Any = ddpm) -> Model:
    torch.manual_seed(0)
    model = system(Pixels(17, (1, 8, 8)), Classes(10), "tiny")
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model


@pytest.mark.parametrize("sampler", [DDIM(5), GUIDED, None], ids=["DDIM", "Guided", "default"])
def test_pixels_outside_the_mask_are_kept_exactly(sampler: Any, pictures: Tensor) -> None:
    off_grid = pictures.clamp(-1, 0.99) + 0.003  # between the levels of the model
    edited = edit(perturbed(), off_grid, Inpaint(MASK), n=2, condition=3, sampler=sampler)
    given = off_grid.repeat_interleave(2, 0)
    assert torch.equal(edited.tensor[:, :, :4], given[:, :, :4])
    assert not torch.equal(edited.tensor[:, :, 4:], given[:, :, 4:])
    assert edited.settings["variants"] == 2 and edited.settings["redrawn_fraction"] == 0.5
    assert edited.record["condition"] == {"label": [3] * 6}


@pytest.mark.parametrize("change", [Inpaint(MASK), SDEdit(0.6)], ids=["mask", "strength"])
def test_a_variant_depends_only_on_its_number_and_picture(change: Edit, pictures: Tensor) -> None:
    """Up to one of 17 levels, since rounding to the grid can differ."""
    model = perturbed()
    whole = edit(model, pictures, change, n=3, sampler=DDIM(5), seed=4).tensor
    alone = edit(model, pictures[1:2], change, n=2, sampler=DDIM(5), seed=4).tensor
    assert (whole[3:5] - alone).abs().max() <= 0.126 and (whole[3:5] != alone).float().mean() < 0.02
    other_seed = edit(model, pictures[1:2], change, n=2, sampler=DDIM(5)).tensor
    assert not torch.equal(whole[3], whole[4]) and not torch.equal(alone, other_seed)


def test_a_larger_strength_keeps_less_of_the_picture(pictures: Tensor) -> None:
    model, given = perturbed(), pictures.repeat_interleave(4, 0)
    same, little, much = (edit(model, pictures, SDEdit(s), sampler=DDIM(20)).tensor for s in (0.0, 0.2, 0.9))
    assert torch.allclose(same, given, atol=1e-6)
    assert 0 < float((little - given).abs().mean()) < float((much - given).abs().mean())


def test_condition_and_guidance_have_an_effect_and_are_optional(pictures: Tensor) -> None:
    model = perturbed()
    three, eight, guided = (
        edit(model, pictures, SDEdit(0.8), condition=c, sampler=s).tensor
        for c, s in ((3, DDIM(5)), (8, DDIM(5)), (3, GUIDED))
    )
    assert not torch.equal(three, eight) and not torch.equal(three, guided)
    assert edit(model, pictures, SDEdit(0.8), sampler=DDIM(5)).condition == {}
    model.conditioner = Label(10, 64)  # without dropout, so classes are drawn
    drawn = edit(model, pictures, SDEdit(0.8), sampler=DDIM(5)).condition["label"]
    assert drawn is not None and len(drawn) == 12 and len(drawn.unique()) > 1


def test_inpainting_uses_a_sampler_of_one_call_per_step() -> None:
    assert isinstance(SDEdit(0.5).default_sampler(perturbed(edm)), Heun)
    assert isinstance(Inpaint(MASK).default_sampler(perturbed(edm)), DDPM)
    assert repr(Inpaint(MASK).default_sampler(perturbed())) == repr(perturbed().objective.default_sampler())
    edit(perturbed(edm), torch.zeros(1, 1, 8, 8), Inpaint(MASK), n=1, sampler=DDPM(3))


@pytest.mark.slow
def test_translation_depends_on_both_classes_and_on_guidance(pictures: Tensor) -> None:
    """Its result is tested where it is known in closed form, in tests/families/test_probability_flow.py."""
    model, translate = perturbed(), DDIMTranslate(3)
    other, same = (edit(model, pictures, translate, 1, condition, DDIM(50)).tensor for condition in (8, 3))
    assert float((same - pictures).abs().mean()) < 0.7 * float((other - pictures).abs().mean())
    guidance = Guided(DDIM(50), 3.0)
    guided, negated = (
        edit(model, pictures, translate, 1, 8, guidance, negative=negative) for negative in (None, 2)
    )
    assert not torch.equal(guided.tensor, other) and not torch.equal(negated.tensor, guided.tensor)
    assert negated.settings["source_class"] == 3 and negated.settings["negative"] == 2
    assert negated.record["condition"] == {"label": [8] * 3}
    assert repr(translate.default_sampler(model)) == repr(DDIM(50))
    assert repr(translate.default_sampler(perturbed(edm))) == repr(DDIM(100))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"change": Inpaint(MASK[:4])}, r"the mask is \[4, 8\]; give one of the pictures' size, \[8, 8\]"),
    ({"change": SDEdit(2.0)}, "strength 2.0 is out of range"),
    ({"change": DDIMTranslate(3)}, "source class 3 needs a target; give another class as the condition"),
    (
        {"pictures": torch.zeros(1, 3, 8, 8)},
        r"pictures have shape \[1, 3, 8, 8\], the model takes \[N, 1, 8, 8\]: give rows of that shape",
    ),
    ({"pictures": torch.zeros(0, 1, 8, 8)}, r"pictures are float32 \[0, 1, 8, 8\]: give one or more rows"),
    ({"sampler": GUIDED}, "guidance requires a condition"),
    ({"condition": 3, "negative": 2}, r"negative requires guidance: use Guided\(DDPM\(\), scale=3.0\)"),
    ({"change": Inpaint(MASK), "sampler": Heun(9)}, "one call per step, such as DDPM or DDIM"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_invalid_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        edit(perturbed(), **{"pictures": torch.zeros(1, 1, 8, 8), "change": SDEdit(0.5)} | arguments)
    assert "\n" not in str(error.value)


def test_only_diffusion_models_of_pictures_can_edit() -> None:
    with pytest.raises(Unsupported, match="VAE cannot edit pictures"):
        picture_shape(vae(Pixels(17, (1, 8, 8)), size="tiny"))
    unconditional = ddpm(Pixels(17, (1, 8, 8)), None, "tiny")
    with pytest.raises(ConfigError, match="condition 3: the model was trained without conditions"):
        edit(unconditional, torch.zeros(1, 1, 8, 8), SDEdit(0.5), condition=3)
    edited = edit(unconditional, torch.zeros(2, 1, 8, 8), SDEdit(0.5), n=1, sampler=DDIM(3))
    assert edited.tensor.shape == (2, 1, 8, 8)
    with pytest.raises(ConfigError, match="source class 2: the model has no classes"):
        edit(unconditional, torch.zeros(1, 1, 8, 8), DDIMTranslate(2), condition=3)
