"""Pictures edited: what is kept is kept to the bit, a variant is its own, and what it is asked to be is heard."""

from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.label import Label
from morphogen.contract import Unsupported
from morphogen.data import load
from morphogen.families.diffusion import DDIM, DDPM, Heun
from morphogen.inference import Inpainted, Redrawn, Translated, edit
from morphogen.inference.editing import Change, picture_shape
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
    return load("digits").test.first(3).medium


def shaken(system: Any = ddpm) -> Model:
    torch.manual_seed(0)
    model = system(Pixels(17, (1, 8, 8)), 10, "tiny")
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model


@pytest.mark.parametrize("sampler", [DDIM(5), GUIDED, None], ids=["DDIM", "Guided", "own"])
def test_what_the_mask_leaves_is_the_pictures_own(sampler: Any, pictures: Tensor) -> None:
    between = pictures.clamp(-1, 0.99) + 0.003  # of no level of the model's grid
    made = edit(shaken(), between, Inpainted(MASK), n=2, condition=3, sampler=sampler)
    given = between.repeat_interleave(2, 0)
    assert torch.equal(made.tensor[:, :, :4], given[:, :, :4]) and not torch.equal(made.tensor[:, :, 4:], given[:, :, 4:])
    assert made.made_by["variants"] == 2 and made.made_by["drawn_anew"] == 0.5 and made.record["condition"] == [3] * 6


@pytest.mark.parametrize("change", [Inpainted(MASK), Redrawn(0.6)], ids=["mask", "strength"])
def test_a_variant_depends_on_its_number_and_its_picture_alone(change: Change, pictures: Tensor) -> None:
    """Within a level of 17, should rounding to the grid tip over."""
    model = shaken()
    whole = edit(model, pictures, change, n=3, sampler=DDIM(5), seed=4).tensor
    alone = edit(model, pictures[1:2], change, n=2, sampler=DDIM(5), seed=4).tensor
    assert (whole[3:5] - alone).abs().max() <= 0.126 and (whole[3:5] != alone).float().mean() < 0.02
    assert not torch.equal(whole[3], whole[4]) and not torch.equal(alone, edit(model, pictures[1:2], change, n=2, sampler=DDIM(5)).tensor)


def test_strength_goes_from_the_picture_to_none_of_it(pictures: Tensor) -> None:
    model, given = shaken(), pictures.repeat_interleave(4, 0)
    same, little, much = (edit(model, pictures, Redrawn(s), sampler=DDIM(20)).tensor for s in (0.0, 0.2, 0.9))
    assert torch.allclose(same, given, atol=1e-6)
    assert 0 < float((little - given).abs().mean()) < float((much - given).abs().mean())


def test_guidance_and_the_condition_are_heard_and_without_one_the_picture_speaks(pictures: Tensor) -> None:
    model = shaken()
    one, other, pushed = (
        edit(model, pictures, Redrawn(0.8), condition=c, sampler=s).tensor for c, s in ((3, DDIM(5)), (8, DDIM(5)), (3, GUIDED))
    )
    assert not torch.equal(one, other) and not torch.equal(one, pushed)
    assert edit(model, pictures, Redrawn(0.8), sampler=DDIM(5)).condition is None
    model.conditioner = Label(10, 64)  # which never went without
    drawn = edit(model, pictures, Redrawn(0.8), sampler=DDIM(5)).condition
    assert drawn is not None and len(drawn) == 12 and len(drawn.unique()) > 1


def test_a_part_is_drawn_by_a_sampler_of_one_call_an_interval() -> None:
    assert isinstance(Redrawn(0.5).own_sampler(shaken(edm)), Heun) and isinstance(Inpainted(MASK).own_sampler(shaken(edm)), DDPM)
    assert repr(Inpainted(MASK).own_sampler(shaken())) == repr(shaken().objective.sampler())
    edit(shaken(edm), torch.zeros(1, 1, 8, 8), Inpainted(MASK), n=1, sampler=DDPM(3))


def test_what_becomes_of_another_class_hears_both(pictures: Tensor) -> None:
    """Where it goes is proven where it is known (tests/families/test_probability_flow.py); here that all that is asked is heard."""
    model, was = shaken(), Translated(3)
    other, itself = (edit(model, pictures, was, 1, condition, DDIM(50)).tensor for condition in (8, 3))
    assert float((itself - pictures).abs().mean()) < 0.7 * float((other - pictures).abs().mean())
    pushed, away = (edit(model, pictures, was, 1, 8, Guided(DDIM(50), 3.0), negative=not_) for not_ in (None, 2))
    assert not torch.equal(pushed.tensor, other) and not torch.equal(away.tensor, pushed.tensor)
    assert away.made_by["was"] == 3 and away.made_by["negative"] == 2 and away.record["condition"] == [8] * 3
    assert repr(was.own_sampler(model)) == repr(DDIM(50)) and repr(was.own_sampler(shaken(edm))) == repr(DDIM(100))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"change": Inpainted(MASK[:4])}, r"a mask of \[4, 8\]; give one of the pictures' size, \[8, 8\]"),
    ({"change": Redrawn(2.0)}, "is no share"),
    ({"change": Translated(3)}, "pictures of class 3 are to become of another; give it as the condition"),
    ({"pictures": torch.zeros(1, 3, 8, 8)}, r"pictures of \[1, 3, 8, 8\]; give one or more as the model draws them"),
    ({"pictures": torch.zeros(0, 1, 8, 8)}, r"pictures of \[0, 1, 8, 8\]; give one or more"),
    ({"sampler": GUIDED}, "a condition to guide towards"),
    ({"condition": 3, "negative": 2}, "negative: DDPM pushes away from nothing"),
    ({"change": Inpainted(MASK), "sampler": Heun(9)}, "one call an interval, as DDPM or DDIM"),
]


@pytest.mark.parametrize(("how", "why"), REFUSED)
def test_what_cannot_be_done_is_refused_in_a_line(how: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        edit(shaken(), **{"pictures": torch.zeros(1, 1, 8, 8), "change": Redrawn(0.5)} | how)
    assert "\n" not in str(error.value)


def test_only_diffusion_over_pictures_edits() -> None:
    with pytest.raises(Unsupported, match="VAE takes no noise away and edits no pictures"):
        picture_shape(vae(Pixels(17, (1, 8, 8)), size="tiny"))
    unconditional = ddpm(Pixels(17, (1, 8, 8)), 0, "tiny")
    with pytest.raises(ConfigError, match="condition 3: the model was trained without conditions"):
        edit(unconditional, torch.zeros(1, 1, 8, 8), Redrawn(0.5), condition=3)
    assert edit(unconditional, torch.zeros(2, 1, 8, 8), Redrawn(0.5), n=1, sampler=DDIM(3)).tensor.shape == (2, 1, 8, 8)
    with pytest.raises(ConfigError, match="pictures of class 2: the model knows no classes"):
        edit(unconditional, torch.zeros(1, 1, 8, 8), Translated(2), condition=3)
