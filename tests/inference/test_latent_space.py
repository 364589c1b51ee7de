"""Latent spaces: paths keep what they promise, and encode and decode are those of the model."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.named import check_given
from morphogen.conditioning.prefix import Prefix
from morphogen.conditioning.specs import Classes
from morphogen.contract import Unsupported
from morphogen.inference import LatentSpace, attribute, slerp, traversal
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels

PIXELS = Pixels(17, (1, 8, 8))


def pictures(n: int) -> torch.Tensor:
    return torch.round(Rng(5, n).uniform(1, 8, 8) * 16) / 8 - 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.sampled_from([(3,), (2, 2, 2)]))
def test_an_arc_has_its_ends_and_norms_between_and_equal_angles(
    seed: int, steps: int, shape: tuple[int, ...]
) -> None:
    first, second = Rng(seed, 2).normal(*shape).double()
    path = slerp(first, 2 * second, steps)
    assert torch.allclose(path[0], first) and torch.allclose(path[-1], 2 * second)
    norms = path.flatten(1).norm(dim=1)
    expected = torch.linspace(first.norm().item(), 2 * second.norm().item(), steps).double()
    assert torch.allclose(norms, expected, rtol=1e-5)
    unit = path.flatten(1) / norms[:, None]
    angles = (unit[1:] * unit[:-1]).sum(1).clamp(-1, 1).arccos()
    assert torch.allclose(angles, angles.mean().expand_as(angles), atol=1e-5)


def test_parallel_latents_are_joined_by_a_line() -> None:
    z = torch.tensor([1.0, 2.0])
    assert torch.allclose(slerp(z, 3 * z, 3), torch.stack([z, 2 * z, 3 * z]))
    with pytest.raises(ConfigError, match="steps=1"):
        slerp(z, z, 1)


def test_an_attribute_is_the_difference_of_means_and_a_traversal_changes_one_entry() -> None:
    z, has = torch.randn(6, 2, 3), torch.tensor([True, False, True, False, False, True])
    assert torch.allclose(attribute(z, has), z[has].mean(0) - z[~has].mean(0))
    with pytest.raises(ConfigError, match="6 of 6"):
        attribute(z, torch.ones(6, dtype=torch.bool))
    moved = traversal(z[0], 4, torch.tensor([-1.0, 0.5]))
    assert moved.shape == (2, 2, 3) and moved.flatten(1)[:, 4].tolist() == [-1.0, 0.5]
    others = [0, 1, 2, 3, 5]
    assert torch.equal(moved.flatten(1)[:, others], z[0].flatten()[others].expand(2, 5))


def test_encoding_and_decoding_are_those_of_the_model_and_hear_the_condition() -> None:
    torch.manual_seed(0)
    model = build_system("vae", PIXELS, {"label": Classes(10)}, "tiny")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    space, x = LatentSpace(model), pictures(5)
    label = torch.arange(5)
    z = space.encode(x, label, seed=3)
    assert torch.allclose(z, space.encode(x, label, seed=3, batch=2), atol=1e-5)  # of the row, not the batch
    samples = space.decode(z, label)
    context = model.context({"label": label}, 5)
    with torch.no_grad():
        expected = model.objective.likelihood.median(model.objective.network(z, context))
    assert torch.allclose(samples.tensor, model.representation.decode(expected), atol=1e-6)
    assert not torch.allclose(samples.tensor, space.decode(z, label.roll(1)).tensor)
    assert not torch.allclose(z, space.encode(x, label.roll(1), seed=3))


def test_the_first_stage_of_a_chain_and_several_latents_are_found() -> None:
    staged = build_system("latent_flow", PIXELS, {}, "tiny")
    assert LatentSpace(staged).model is staged.models["autoencoder"]
    levels = LatentSpace(build_system("hierarchical_vae", PIXELS, {}, "tiny"))
    z = levels.encode(pictures(3))
    assert set(z) == set(levels.model.objective.latent_shape)
    assert levels.decode(z).tensor.shape == (3, 1, 8, 8)


def test_models_without_latents_are_refused() -> None:
    with pytest.raises(Unsupported, match="Diffusion: there are no latents"):
        LatentSpace(build_system("ddpm", PIXELS, {}, "tiny"))


def test_latents_of_a_normal_prior_keep_their_norm_on_the_way() -> None:
    """n = 200 pairs in 64 dimensions: half way, the arc has the norm of a draw, the line 0.71 of it."""
    a, b = Rng(1, 200).normal(64), Rng(2, 200).normal(64)
    arc = torch.stack([slerp(x, y, 3)[1] for x, y in zip(a, b, strict=True)]).norm(dim=1).mean()
    line = ((a + b) / 2).norm(dim=1).mean()
    assert abs(arc / a.norm(dim=1).mean() - 1) < 0.02 and abs(line / arc - math.sqrt(0.5)) < 0.03


def test_latents_and_likelihoods_require_the_condition_that_was_never_dropped() -> None:
    """Without condition dropout, the network without a context is neither p(x) nor p(x | c) of any c."""
    model, x = build_system("vae", PIXELS, {"label": Classes(10)}, "tiny"), pictures(3)
    space, label, z = LatentSpace(model), torch.arange(3), torch.zeros(3, *model.objective.latent_shape)
    calls = {model.log_prob: x, space.encode: x, space.decode: z}
    for call, rows in calls.items():
        with pytest.raises(
            ConfigError, match=r"requires the condition 'label', .*: give condition=\.\.\., or"
        ):
            call(rows)
        call(rows, label)
    assert model.sample(2).condition["label"].shape == (2,)  # labels are drawn


def test_a_dropped_condition_and_a_prompt_need_not_be_given() -> None:
    vae = build_system("vae", PIXELS, {"label": Classes(10)}, "tiny")
    vae.conditioner = ConditionDropout(vae.conditioner, 0.2)
    assert vae.log_prob(pictures(3)).nats.isfinite().all()
    check_given(Prefix(), {})
    check_given(Conditions(prompt=Prefix(), label=Label(3, 4)), {"label": torch.zeros(1).long()})
    with pytest.raises(ConfigError, match="'label'"):
        check_given(Conditions(prompt=Prefix(), label=Label(3, 4)), {})
