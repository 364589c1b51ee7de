"""Normalizing flows: exact density, exact sampler, independent rows."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Context, Encoded, Unsupported
from morphogen.families.flow import ActNorm, Chain, Coupling, Flow, FlowSampler, MultiScale, SingleScale
from morphogen.model import Model, load, save
from morphogen.networks.coupling_resnet import CouplingResNet
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Dequantised, Logit, Pixels
from morphogen.systems.latent_flow import latent_flow
from morphogen.systems.realnvp import realnvp

PIXELS = Pixels(17, (1, 8, 8))


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, x.new_zeros(len(x)), x.new_full((len(x),), x[0].numel()))


def randomise(module: torch.nn.Module, by: float = 0.1, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))


def pictures(rows: int, shape: tuple[int, int, int] = (1, 8, 8), levels: int = 17) -> Tensor:
    return Rng(0, rows, ("pictures",)).integers(levels, *shape).float() * (2 / (levels - 1)) - 1


def digits_model() -> Model:
    torch.manual_seed(0)
    model = realnvp(PIXELS, Classes(10), "tiny")
    randomise(model)
    return model


def test_density_integrates_to_one() -> None:
    torch.manual_seed(0)
    flow = Flow(SingleScale(2, width=16, layers=1, couplings=4)).double().eval()
    randomise(flow, 0.25, seed=1)
    axis = torch.linspace(-10, 10, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        log_p = flow.log_prob(encoded(grid), None, Rng(0, len(grid))).nats
        normal = -0.5 * grid.square().sum(1) - math.log(2 * math.pi)
    cell = (axis[1] - axis[0]) ** 2
    assert abs(log_p.exp().sum() * cell - 1) <= 2e-3
    assert (log_p - normal)[grid.norm(dim=1) < 1].abs().max() > 0.1, (
        "the perturbed flow must differ from the identity"
    )


def test_fits_a_mixture_of_gaussians() -> None:
    """On 1/2 N((-1, 0), 0.5^2) + 1/2 N((1, 0), 0.5^2), the held-out log-likelihood is close to the truth.

    Within 0.1 nats; n = 4096 held-out samples: the standard error of the mean difference is below 0.01 nats.
    """
    generator = torch.Generator().manual_seed(1)

    def draw(n: int) -> Tensor:
        side = torch.randint(2, (n, 1), generator=generator) * 2.0 - 1
        return torch.randn(n, 2, generator=generator) * 0.5 + torch.cat([side, 0 * side], 1)

    def truth(x: Tensor) -> Tensor:
        components = torch.stack([-(x - torch.tensor([m, 0.0])).square().sum(1) / 0.5 for m in (-1.0, 1.0)])
        return components.logsumexp(0) - math.log(2) - math.log(2 * math.pi * 0.25)

    torch.manual_seed(0)
    flow = Flow(SingleScale(2, width=32, layers=1, couplings=6))
    flow.prepare(encoded(draw(512)), None, Rng(0, 512))
    steps = 100
    optimizer = torch.optim.Adam(flow.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = flow.losses(encoded(draw(256)), None, Rng(0, 256), "model").total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    held_out = draw(4096)
    with torch.no_grad():
        gap = (truth(held_out) - flow.log_prob(encoded(held_out), None, Rng(0, 4096)).nats).mean()
        samples = FlowSampler()(flow, (2,), None, Rng(3, 4096))
    assert -0.03 <= gap <= 0.1  # below 0 only by the sampling error of a Kullback-Leibler divergence
    assert abs(truth(samples).mean() - truth(held_out).mean()) <= 0.3


def test_actnorm_starts_with_mean_zero_and_variance_one() -> None:
    torch.manual_seed(0)
    x = (
        torch.randn(64, 3, 5, 5) * torch.tensor([0.1, 1.0, 20.0])[:, None, None]
        + torch.tensor([5.0, 0.0, -7.0])[:, None, None]
    )
    flow = Flow(ActNorm(3))
    flow.prepare(encoded(x), None, Rng(0, 64))
    z, _ = flow.bijection(x, None)
    assert z.mean((0, 2, 3)).abs().max() <= 1e-5 and (z.std((0, 2, 3), correction=0) - 1).abs().max() <= 1e-5


def test_prepare_reaches_every_actnorm_at_every_scale() -> None:
    model = realnvp(PIXELS, None, "tiny")
    model.prepare(Batch(pictures(32)), Rng(0, 32))
    norms = [m for m in model.modules() if isinstance(m, ActNorm)]
    assert (
        len(norms) == 7 and norms[0].shift.abs().min() > 0
    )  # 2 checkerboard, 2 channel, 3 at the last scale
    x, _ = model.encode_batch(Batch(pictures(32)), Rng(0, 32))
    z, _ = model.objective.bijection(x.x, None)
    assert z.mean().abs() <= 0.1 and (z.std() - 1).abs() <= 0.1  # couplings are still the identity


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_gradient_reaches_every_parameter(shape: tuple[int, int, int]) -> None:
    model = realnvp(Pixels(17, shape), Classes(10), "tiny")
    randomise(model, 0.05)
    losses = model(Batch(pictures(10, shape), {"label": torch.arange(10)}), Rng(0, 10), "model")
    assert losses.terms["nll"].shape == (10,)
    losses.total.mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().any()] == []


@pytest.mark.parametrize("indices", [[3], [3, 0], [7, 6, 5, 4, 3]])
def test_a_sample_does_not_depend_on_its_batch(indices: list[int]) -> None:
    model = digits_model()
    shape, together = model.representation.shape, Rng(5, 8)
    labels = model.conditioner(torch.arange(8)) if model.conditioner is not None else None
    assert labels is not None
    with torch.no_grad():
        batch = FlowSampler()(model.objective, shape, labels, together)
        part = FlowSampler()(
            model.objective, shape, labels[torch.tensor(indices)], Rng(5, torch.tensor(indices))
        )
    assert (part - batch[indices]).abs().max() <= 1e-5


def test_the_bijection_maps_a_sample_back_to_its_noise() -> None:
    """The forward map recovers the noise of the sampler, row by row."""
    model = digits_model()
    z = Rng(2, 6, ()).normal(1, 8, 8)
    with torch.no_grad():
        x = FlowSampler()(model.objective, (1, 8, 8), None, Rng(2, 6, ()))
        back, _ = model.objective.bijection(x, None)
    assert (back - z).abs().max() <= 1e-4


def test_temperature_scales_the_noise() -> None:
    flow = Flow(Chain((ActNorm(2),)))
    warm, cold = (FlowSampler(t)(flow, (2,), None, Rng(0, 4)) for t in (1.0, 0.5))
    assert torch.allclose(cold, 0.5 * warm)


def test_the_label_changes_the_density_and_the_sample() -> None:
    model = digits_model()
    x = pictures(4)
    zeros, ones = (model.log_prob(x, torch.full((4,), k)).nats for k in (0, 1))
    assert (zeros - ones).abs().min() > 1e-3
    assert not torch.equal(model.sample(4, 0).tensor, model.sample(4, 1).tensor)


def test_exact_density_of_x_but_a_bound_on_the_mass_of_pixels() -> None:
    model = digits_model()
    of_x = model.objective.log_prob(encoded(torch.randn(2, 1, 8, 8)), None, Rng(0, 2))
    assert (of_x.kind, of_x.measure) == ("exact", "density")
    of_pixels = model.log_prob(pictures(2), torch.tensor([1, 2]))
    assert (of_pixels.kind, of_pixels.measure) == ("lower_bound", "mass") and (of_pixels.dims == 64).all()
    with pytest.raises(ConfigError, match="Dequantised"):
        Model(model.objective, PIXELS).log_prob(pictures(2))


def test_the_bound_is_below_the_exact_mass() -> None:
    """One pixel with a normal logit: the mean bound is below the numerically integrated log mass of the bin.

    n = 2000 noise samples per level, seed 0; 4 standard errors.
    """
    pixels = Pixels(4, (1, 1, 1))
    flow = Flow(ActNorm(1))
    with torch.no_grad():
        flow.bijection.shift.fill_(0.4)
        flow.bijection.log_scale.fill_(-0.3)
    model = Model(flow, Logit(Dequantised(pixels), alpha=0.05))
    rows, u = 2000, (torch.arange(100000, dtype=torch.float64) + 0.5) / 100000
    for k in range(4):
        s = 0.05 + 0.9 * (k + u) / 4
        z = (s.logit() + 0.4) * math.exp(-0.3)
        mass = (
            ((-0.5 * z**2).exp() / math.sqrt(2 * math.pi) * math.exp(-0.3) / (s * (1 - s))).mean() * 0.9 / 4
        )
        medium = torch.full((rows, 1, 1, 1), k * 2 / 3 - 1)
        bound = model.log_prob(medium, batch=rows).nats.double()
        assert bound.mean() <= mass.log() + 4 * bound.std() / math.sqrt(rows)
        assert abs(bound.exp().mean() - mass) <= 4 * bound.exp().std() / math.sqrt(rows) + 1e-6


def test_bf16_networks_leave_a_coupling_and_its_log_determinant_in_fp32() -> None:
    torch.manual_seed(0)
    coupling, x = Coupling(CouplingResNet((2, 4, 4), 8, 1), "checkerboard", 0), torch.randn(4, 2, 4, 4)
    randomise(coupling)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        z, log_det = coupling(x, None)
        back = coupling.inverse(z, None)
    assert (z.dtype, log_det.dtype) == (torch.float32, torch.float32)
    assert log_det.abs().min() > 0 and (back - x).abs().max() <= 1e-5


def test_masks_are_of_pictures() -> None:
    with pytest.raises(ConfigError, match=r"x is \[3, 5\], without pixels: use SplitCoupling"):
        Coupling(MLP(5, 10, 8, 1), "channel", 0)(torch.zeros(3, 5), None)


def test_a_flow_of_one_entry_depends_on_its_context() -> None:
    flow = SingleScale(1, width=8, layers=1, couplings=2, vector=3)
    randomise(flow, 0.3)
    x, vector = torch.randn(6, 1), torch.randn(6, 3)
    z, log_det = flow(x, Context(vector=vector))
    (z.sum() + log_det.sum()).backward()
    assert [n for n, p in flow.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert log_det.unique().numel() == 6 and not torch.equal(flow(x, None)[1], log_det)
    assert torch.allclose(flow.inverse(z, Context(vector=vector)), x, atol=1e-5)


def test_guidance_raises() -> None:
    with pytest.raises(Unsupported, match="Flow does not support guidance"):
        digits_model().sample(2, 1, Guided(FlowSampler(), 3.0))


@pytest.mark.parametrize(
    "model",
    [
        Model(
            Flow(MultiScale((1, 8, 8), 8, 1, 2, 2, 4, max_resolution=4)),
            Logit(Dequantised(PIXELS)),
            Label(10, 4),
        ),
        Model(
            Flow(Chain((ActNorm(1), Coupling(MLP(1, 2, 4, 1), "checkerboard", 1)))),
            Dequantised(Pixels(4, (1, 1, 1))),
        ),
    ],
    ids=["from numbers", "from parts"],
)
def test_save_and_load_are_the_same_model(model: Model, tmp_path: Path) -> None:
    randomise(model)
    save(model, tmp_path)
    again = load(tmp_path)
    assert to_config(again) == to_config(model) and to_config(from_config(to_config(model))) == to_config(
        model
    )
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(
        torch.equal(a, b)
        for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True)
    )


def test_images_that_cannot_be_halved_raise() -> None:
    with pytest.raises(ConfigError, match="not a multiple of 8"):
        MultiScale((1, 28, 28), 8, 1, 1, scales=4)


def test_a_context_without_a_vector_equals_none() -> None:
    model = digits_model().eval()
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(model.objective.bijection(x, None)[0], model.objective.bijection(x, Context())[0])


def test_latent_flow_trains_its_prior_and_not_the_first_stage() -> None:
    torch.manual_seed(0)
    staged = latent_flow(PIXELS, Classes(10), "tiny")
    randomise(staged.last.objective)
    batch = Batch(pictures(6), {"label": torch.arange(6)})
    staged.last(batch, Rng(0, 6), "model").total.mean().backward()
    prior, first = staged.models["prior"], staged.models["autoencoder"]
    assert all(p.grad is not None and p.grad.abs().any() for p in prior.players()["model"])
    assert not {id(p) for p in prior.players()["model"]} & {id(p) for p in first.parameters()}
    likelihood = staged.log_prob(batch.medium, batch.condition)
    assert (likelihood.kind, likelihood.measure) == ("lower_bound", "mass")


def test_latent_flow_with_an_identity_prior_has_the_bound_of_the_autoencoder() -> None:
    """An untrained flow is N(0, I), the prior of the first stage: both bounds estimate the same value.

    n = 2000 independent noise samples for one image, seed 0; two-sided at 4.5 standard errors.
    """
    torch.manual_seed(0)
    staged = latent_flow(PIXELS, None, "tiny")
    randomise(staged.models["autoencoder"].objective, 0.05)
    picture = pictures(1).expand(2000, -1, -1, -1)
    one, other = (staged.models[name].log_prob(picture, batch=500).nats for name in ("prior", "autoencoder"))
    stderr = ((one.var() + other.var()) / 2000).sqrt()
    assert abs(one.mean() - other.mean()) <= 4.5 * stderr
