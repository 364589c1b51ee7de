"""Chains of models: what a stage is trained on, what it samples from, and what is refused."""

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import morphogen as mg
from contract.cascades import PIXELS, digits_cascade
from contract.towers import GivenVector
from laws.test_laws import specimen
from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning import Conditions, Label, LowResolution
from morphogen.contract import Batch, Context, Encoded, Losses, Trainable, Unsupported
from morphogen.families.diffusion import DDIM
from morphogen.model import evaluating
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Augmentation, Plan
from morphogen.representations import Dequantised, Latent, Resized
from morphogen.staged import guided_samplers
from morphogen.training import train
from training.toys import ToyDenoise, ToyPoints


class Rows:
    """Random pictures with labels."""

    def __init__(self, n: int = 8):
        rng = Rng(7, n)
        self.batch = Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, {"label": rng.integers(10)})

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, rows: Tensor) -> Batch:
        return self.batch[rows]


class StochasticLevels(Trainable):
    """Two latents with a common random number: z_top = u, z_bottom = u + 1."""

    latent_shape: ClassVar = {"top": (1,), "bottom": (1,)}
    latent_vocabulary: ClassVar = {"top": None, "bottom": None}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        return Losses({"nothing": torch.zeros(len(x))})

    def encode(self, x: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]:
        u = rng.uniform(1)
        return {"top": u, "bottom": u + 1}, torch.zeros(len(x))

    def log_conditional(self, x: Tensor, z: dict[str, Tensor]) -> Tensor:
        return torch.zeros(len(x))

    def decode(self, z: dict[str, Tensor]) -> Tensor:
        return z["top"].view(-1, 1, 1, 1).expand(-1, 1, 8, 8)


class ForkedNormal(mg.Sampler):
    """N(0, I) whatever the objective, by the numbers of a purpose."""

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Tensor:
        return rng.fork("noise").normal(*shape)


def cascade(noise: float = 0.3) -> mg.Cascade:
    """Untrained, with no layer left at zero."""
    model = digits_cascade(8, noise, Plan(Adam(1e-3), batch=4)).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model


class Mirrored(Augmentation):
    """Pictures from right to left."""

    def __call__(self, medium: Tensor, rng: Rng) -> Tensor:
        return medium.flip(3)


def test_a_stage_is_trained_on_what_the_earlier_ones_make_of_the_augmented_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, seen = cascade(), []
    high: Any = model.models["high"]
    forward = type(high).forward

    def watched(self: Any, batch: Batch, rng: Rng, player: str) -> Losses:
        seen.append(batch)
        losses: Losses = forward(self, batch, rng, player)
        return losses

    monkeypatch.setattr(type(high), "forward", watched)
    high.plan.augment = Mirrored()
    rows = Rows()
    train(model, rows, steps=4, device="cpu")
    first, second = seen[:2], seen[2:]
    assert all(set(batch.condition) == {"label"} for batch in first)
    small = Resized(PIXELS, (1, 4, 4))
    for batch in second:
        assert torch.equal(batch.condition["low"], small.encode(batch.medium, Rng(0, 4), False).x)
        assert any(torch.equal(batch.medium[0], row) for row in rows.batch.medium.flip(3))


def test_latents_of_one_first_stage_are_one_draw_and_other_stages_have_their_own_noise() -> None:
    first = mg.Model(StochasticLevels(), PIXELS)
    top, bottom = (mg.Model(StochasticLevels(), Latent(first, level)) for level in ("top", "bottom"))
    bottom.conditioner = Conditions(top=LowResolution((1, 1, 1)))
    codes, batch, rng = mg.Cascade(codes=first, top=top, bottom=bottom), Rows().batch, Rng(3, 8)
    given = codes.stage_batch("bottom", batch, rng)
    assert torch.equal(given.condition["top"] + 1, bottom.encode_batch(Batch(batch.medium), rng)[0].x)
    noisy = mg.Cascade(
        low=mg.Model(StochasticLevels(), Dequantised(Resized(PIXELS, (1, 8, 8)))),
        high=mg.Model(StochasticLevels(), Dequantised(PIXELS), Conditions(low=LowResolution((1, 8, 8)))),
    )
    low = noisy.stage_batch("high", batch, rng).condition["low"]
    x = noisy.last.representation.encode(batch.medium, rng.fork("encode")).x
    noise = [(part - batch.medium * 16 / 17).flatten() for part in (low, x)]
    assert abs(torch.corrcoef(torch.stack(noise))[0, 1]) < 0.15  # 512 numbers


def test_the_stages_sample_with_independent_noise_and_each_by_its_sampler() -> None:
    """With other settings of one stage, the other stage's sample remains."""
    model, rng = cascade(), Rng(0, 2, ("sample",))
    labels = {"label": torch.tensor([1, 2])}
    both = model.sample_batch(rng, labels, DDIM(3))
    low = model.sample_batch(rng, labels, {"low": DDIM(3), "high": DDIM(2)})
    assert torch.equal(both["low"], low["low"]) and not torch.equal(both["high"], low["high"])
    alone = model.sample(1, {"label": 2}, DDIM(3), indices=torch.tensor([1]))
    torch.testing.assert_close(alone.tensor[0], model.sample(2, labels, DDIM(3)).tensor[1])
    assert model.sample(2, labels).settings["sampler"].startswith("{'low': DDIM(")
    with pytest.raises(ConfigError, match="sampler of middle: the stages are low, high"):
        model.sample(2, labels, {"middle": DDIM(3)})


def test_conditions_of_the_data_go_to_every_stage_that_takes_them() -> None:
    model = cascade()
    assert torch.equal(model.sample(2, 3).tensor, model.sample(2, {"label": 3}).tensor)
    drawn = model.sample(3)  # a label is drawn, once for both stages
    assert set(drawn.condition) == {"label"}
    assert torch.equal(drawn.tensor, model.sample(3, drawn.condition).tensor)
    assert not torch.equal(model.sample(2, 3).tensor, model.sample(2, 4).tensor)
    with pytest.raises(ConfigError, match="condition caption: the model takes label, low"):
        model.sample(2, {"caption": 3})


def test_guidance_of_all_stages_leaves_out_those_without_dropout() -> None:
    """The upsampler never lost its smaller picture, and has no other condition; alone it is refused."""
    model: Any = digits_cascade(8)
    high = mg.Model(model.models["high"].objective, PIXELS, Conditions(low=LowResolution(PIXELS.shape)))
    chain, guided = mg.Cascade(low=model.models["low"], high=high), mg.Guided(DDIM(3), scale=2.0)
    by_stage = {"low": guided, "high": DDIM(3)}
    together, apart = (chain.sample(2, {"label": 3}, sampler).tensor for sampler in (guided, by_stage))
    assert torch.equal(together, apart)
    with pytest.raises(
        ConfigError, match="guidance requires a model that was trained with condition dropout"
    ):
        chain.sample(2, {"label": 3}, {"high": guided})


def test_a_sampler_of_another_family_than_a_stage_leaves_it_its_own_one() -> None:
    """An autoregressive prior beside a decoder and an upsampler by diffusion, with the same guidance."""
    torch.manual_seed(0)
    model = mg.build_system("dalle2_autoregressive", *specimen("dalle2_autoregressive"), "tiny").eval()
    one = model.sample(2, "red", mg.Guided(DDIM(2), 3.0), seed=1)
    prior = mg.Guided(model.models["embedding"].objective.default_sampler(), 3.0)
    each = {"embedding": prior, "low": mg.Guided(DDIM(2), 3.0), "high": DDIM(2)}
    assert torch.equal(one.tensor, model.sample(2, "red", each, seed=1).tensor)
    assert repr(guided_samplers(model, 3.0)["embedding"]) == repr(prior)
    with pytest.raises(Unsupported, match="does not sample a Diffusion model"):
        model.sample(2, "red", mg.Ancestral())


def test_a_negative_condition_keeps_the_smaller_picture() -> None:
    model, guided = cascade(), mg.Guided(DDIM(3), scale=2.0)
    low = {"low": torch.zeros(2, 1, 4, 4)}
    plain, negative = (
        model.sample(2, {"label": 3, **low}, guided, negative=unwanted).tensor
        for unwanted in (None, {"label": 4})
    )
    assert not torch.equal(plain, negative)
    same = model.sample(2, {"label": 3, **low}, guided, negative={"label": 3}).tensor
    torch.testing.assert_close(same, model.sample(2, {"label": 3, **low}, DDIM(3)).tensor)


def test_the_likelihood_of_resolutions_is_refused_and_that_of_the_last_stage_is_not() -> None:
    model, batch = cascade(), Rows().batch
    low: Any = model.models["low"]
    with pytest.raises(Unsupported, match=r"low, high are not the latents .* models\['high'\]\.log_prob"):
        model.log_prob(batch.medium, batch.condition)
    with pytest.raises(Unsupported, match="a resized picture does not determine the picture"):
        low.log_prob(batch.medium, batch.condition)
    completed = model.stage_batch("high", batch, Rng(0, 8))
    assert model.last.log_prob(completed.medium, completed.condition).nats.isfinite().all()


def test_a_chain_of_one_is_a_staged_model() -> None:
    low: Any = cascade().models["low"]
    high = mg.Model(low.objective, low.representation, Label(10, 32))
    alone = mg.Cascade(high=high).eval()
    assert torch.equal(alone.sample(2, 3, seed=1).tensor, mg.Cascade(high=high).sample(2, 3, seed=1).tensor)
    with pytest.raises(ConfigError, match="no later stage takes the condition 'low'"):
        mg.Cascade(low=low, high=high)


def test_a_config_rebuilds_the_chain() -> None:
    model = cascade()
    built: Any = from_config(to_config(model))
    assert repr(built) == repr(model) and built.chain == ["low", "high"]
    assert built.names == ("label", "low") and built.taken({"label": 1, "other": 2}) == {"label": 1}
    with evaluating(model):
        assert built.stage_batch("low", Rows().batch, Rng(0, 8)).condition.keys() == {"label"}


def test_the_noise_of_a_stage_is_independent_of_that_of_the_others() -> None:
    """Stages that sample N(0, I) whatever the condition: correlation of 2000 numbers, seed 0, |z| < 4."""
    conditioner = Conditions(first=GivenVector())
    first, second = (mg.Model(ToyDenoise(), ToyPoints(), given) for given in (None, conditioner))
    x = mg.Cascade(first=first, second=second).sample_batch(Rng(0, 500), sampler=ForkedNormal())
    correlation = torch.corrcoef(torch.stack([x["first"].flatten(), x["second"].flatten()]))[0, 1]
    assert abs(correlation) < 4 / 2000**0.5
