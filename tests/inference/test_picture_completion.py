"""Completion of pictures by autoregressive models of pixels and of codes."""

from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.caption import Captions
from morphogen.contract import Unsupported
from morphogen.families.autoregressive import Ancestral
from morphogen.inference import Completion, edit
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems import dalle, ddpm, gpt, pixelcnn

PIXELS = Pixels(5, (1, 8, 8))


class Spy(Ancestral):
    """Keeps the context that it is called with."""

    context: Any

    def __call__(self, objective: Any, shape: Any, context: Any, rng: Any) -> Tensor:
        self.context = context
        return super().__call__(objective, shape, context, rng)


def build(system: str) -> Any:
    torch.manual_seed(0)
    model = {
        "dalle": lambda: dalle(PIXELS, Captions(Bytes(16)), "tiny"),
        "pixelcnn": lambda: pixelcnn(PIXELS, size="tiny"),
    }[system]()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model.eval()


def pictures() -> Tensor:
    return Rng(0, 2).integers(5, 1, 8, 8) / 2 - 1


@pytest.mark.parametrize("system", ["dalle", "pixelcnn"])
def test_the_given_rows_are_kept_and_the_others_do_not_matter(system: str) -> None:
    model, given = build(system), pictures()
    drawn = edit(model, given, Completion(4), n=3, seed=1).tensor
    assert torch.equal(drawn[:, :, :4], given[:, :, :4].repeat_interleave(3, 0))
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn, edit(model, torch.cat([given[:, :, :4], -given[:, :, 4:]], 2), Completion(4), 3,
                                   seed=1).tensor)  # fmt: skip
    other = edit(model, -given, Completion(4), n=3, seed=1).tensor
    assert not torch.equal(drawn[:, :, 4:], other[:, :, 4:])


def test_the_codes_of_the_given_rows_are_the_prompt() -> None:
    """Completed by the caption, with the first two of four rows of codes."""
    model, given, sampler = build("dalle"), pictures(), Spy()
    condition = {"caption": ["a", "b"]}
    samples = edit(model, given, Completion(4), n=1, condition=condition, sampler=sampler)
    assert samples.settings["kept_rows"] == 4
    context = sampler.context
    assert context.prefix.shape == (2, 8) and context.text[:, 0].tolist() == [97, 98]


def test_what_cannot_be_completed_is_named() -> None:
    model = build("dalle")
    with pytest.raises(ConfigError, match="rows=3 of 8: give a multiple of 2 from 2 to 6"):
        edit(model, pictures(), Completion(3))
    with pytest.raises(ConfigError, match="rows=8 of 8: give from 1 to 7"):
        edit(build("pixelcnn"), pictures(), Completion(8))
    with pytest.raises(
        Unsupported, match=r"only autoregressive models do, such as dalle: use Inpaint\(mask\)"
    ):
        edit(ddpm(PIXELS, size="tiny"), pictures(), Completion(4))
    with pytest.raises(Unsupported, match="models no pictures"):
        edit(gpt(Bytes(16), size="tiny"), pictures(), Completion(4))
