"""Truncation of styles as a sampler, and latents of several parts in the samplers of generators."""

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.conditioning.specs import Classes
from morphogen.contract import Unsupported
from morphogen.model import Model, load, save
from morphogen.representations.pixels import Pixels
from morphogen.samplers import GANSampler, Guided, TruncationSampler

PIXELS = Pixels(17, (1, 8, 8))


def model_of(label: bool = False, noise: float = 0.0) -> Model:
    """An untrained stylegan2 whose noise has the given strength."""
    torch.manual_seed(0)
    model = build_system("stylegan2", PIXELS, {"label": Classes(3)} if label else {}, "tiny")
    for name, parameter in model.named_parameters():
        if name.endswith("strength"):
            torch.nn.init.constant_(parameter, noise)
    return model


def test_psi_0_has_one_picture_but_for_noise_and_psi_1_is_not_truncated() -> None:
    model, noisy = model_of(), model_of(noise=1.0)
    still = model.sample(4, sampler=TruncationSampler(0.0)).tensor
    assert torch.equal(still, still[:1].expand_as(still))
    varied = noisy.sample(4, sampler=TruncationSampler(0.0)).tensor
    assert not torch.equal(varied[0], varied[1])
    assert torch.equal(noisy.sample(4, sampler=TruncationSampler(1.0)).tensor, noisy.sample(4).tensor)


def test_a_sample_depends_on_its_seed_index_and_condition_only() -> None:
    model, labels, rows = model_of(label=True, noise=0.5), torch.tensor([0, 2, 1, 2]), torch.tensor([3, 1])
    for sampler in (TruncationSampler(0.5), GANSampler(), GANSampler(0.7)):
        together = model.sample(4, labels, sampler, seed=1).tensor
        apart = model.sample(2, labels[rows], sampler, seed=1, indices=rows, batch=1).tensor
        assert torch.equal(apart, together[rows])


def test_one_style_of_each_condition_remains_at_psi_0() -> None:
    x = model_of(label=True).sample(4, torch.tensor([0, 2, 1, 2]), TruncationSampler(0.0)).tensor
    assert torch.equal(x[1], x[3]) and not torch.equal(x[0], x[1]) and not torch.equal(x[2], x[1])


def test_guidance_takes_latents_of_several_parts() -> None:
    model = model_of(label=True)
    plain = model.sample(3, 1, seed=4).tensor
    assert torch.equal(model.sample(3, 1, Guided(GANSampler(), 1.0), seed=4, negative=0).tensor, plain)
    assert not torch.equal(model.sample(3, 1, Guided(GANSampler(), 3.0), seed=4, negative=0).tensor, plain)


@pytest.mark.parametrize(
    ("system", "words"), [("wgan_gp", r"not a ResNetGenerator: use GANSampler"), ("vae", "does not sample")]
)
def test_generators_without_styles_are_refused(system: str, words: str) -> None:
    model = build_system(system, PIXELS, {}, "tiny")
    with pytest.raises(Unsupported, match=words) as error:
        model.sample(1, sampler=TruncationSampler(0.7))
    assert "\n" not in str(error.value)


def test_save_and_load_keep_the_shapes_of_the_latents(tmp_path) -> None:
    model = model_of(label=True, noise=0.5)
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.objective.latent == model.objective.latent and repr(again) == repr(model)
    for sampler in (None, TruncationSampler(0.5)):
        assert torch.equal(again.sample(3, 2, sampler).tensor, model.sample(3, 2, sampler).tensor)
