"""Energy-based models: Langevin dynamics, chains, losses; the learned density of points against the truth."""

import math

import pytest
import torch
from torch import Tensor, nn

from morphogen.closed_form import GaussianMixture, ring
from morphogen.component import Component, ConfigError, from_config, to_config
from morphogen.conditioning.label import OneHot
from morphogen.contract import Batch, Context, Encoded, Unsupported
from morphogen.families.energy import ChainStart, EnergyBased, FromData, FromNoise, Langevin, ReplayBuffer
from morphogen.model import Model, load, save
from morphogen.networks.perceptron import Perceptron
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.points import Points
from morphogen.training.loop import train
from morphogen.training.outcome import Diverged

STILL = Langevin(steps=1, step_size=1e-12, noise=0.0)


class Quadratic(Component, nn.Module):
    """E(x) = precision |x - mean|^2 / 2."""

    def __init__(self, mean: tuple[float, ...], precision: float):
        super().__init__()
        self.mean, self.precision = mean, precision

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        shift = 0.0 if context is None or context.vector is None else context.vector
        return 0.5 * self.precision * (x - x.new_tensor(self.mean) - shift).square().sum(1)


class Broken(Component, nn.Module):
    """Not a number, far from 0."""

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return (x * torch.where(x.abs() > 0.5, math.nan, 1.0)).sum(1)


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, x.new_zeros(len(x)), x.new_full((len(x),), x[0].numel()))


def points_model(start: ChainStart, sampler: Langevin = STILL, vector: int = 0, **options: float) -> Model:
    torch.manual_seed(0)
    network = Perceptron((2,), (), (16,), vector)
    objective = EnergyBased(network, sampler, start, **options)
    return Model(objective, Points(2), OneHot(vector) if vector else None, Plan(Adam(1e-3), batch=8))


@pytest.mark.parametrize("precision", [1.0, 4.0])
def test_langevin_reproduces_a_gaussian(precision: float) -> None:
    """n = 20,000 chains of 400 steps from noise, seed 0: mean and variance of each axis, z < 4.

    A chain with steps lambda has the variance 1 / (a (1 - lambda a / 4)), where a is the precision.
    """
    mean, n, step = (1.0, -2.0), 20_000, 0.1 / precision
    model = EnergyBased(Quadratic(mean, precision), Langevin(400, step), FromNoise("normal"))
    x = Langevin(400, step, begin="noise")(model, (2,), None, Rng(0, n)).double()
    variance = 1 / (precision * (1 - step * precision / 4))
    of_mean = (x.mean(0) - torch.tensor(mean)) / math.sqrt(variance / n)
    of_variance = (x.var(0) / variance - 1) / math.sqrt(2 / (n - 1))
    assert of_mean.abs().max() < 4 and of_variance.abs().max() < 4
    assert variance * precision <= 1.03, "the steps are too large for this test to be of the Gaussian"


def test_the_noise_is_a_temperature() -> None:
    """noise^2 / step_size = 1/4: the variance is a quarter; n = 20,000, seed 0, z < 4."""
    model = EnergyBased(Quadratic((0.0,), 1.0), STILL, FromNoise("normal"))
    x = Langevin(400, 0.04, noise=0.1)(model, (1,), None, Rng(0, 20_000)).double()
    variance = 0.25 / (1 - 0.01)
    assert abs(x.var().item() / variance - 1) < 4 * math.sqrt(2 / 20_000)


def test_the_score_is_that_of_the_density_and_the_energy_its_log_up_to_a_constant() -> None:
    mixture = GaussianMixture(
        torch.tensor([0.3, 0.7]), torch.tensor([[0.0, 0.0], [2.0, 1.0]]), 0.5 * torch.eye(2).expand(2, 2, 2)
    )

    class Energy(nn.Module):
        def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
            return 5.0 - mixture.log_prob(x)

    model, x = EnergyBased(Energy(), STILL, FromData()), Rng(0, 6).normal(2).double()
    assert torch.allclose(model.predict(x, None), mixture.score(x), atol=1e-10)
    assert torch.allclose(model.energy(x) - model.energy(x)[0], mixture.log_prob(x)[0] - mixture.log_prob(x))


def test_a_chain_keeps_its_bounds_and_its_largest_step() -> None:
    model = EnergyBased(Quadratic((50.0,), 1.0), STILL, FromNoise())
    x = Langevin(3, 2.0, noise=0.0, clip=0.1)(model, (1,), None, Rng(0, 4))
    assert torch.allclose(x, FromNoise().noise((1,), Rng(0, 4, ("begin",))) + 0.3)
    assert (Langevin(3, 2.0, noise=0.0, bound=1.0)(model, (1,), None, Rng(0, 4)) == 1).all()


def test_the_gradient_of_the_loss_is_that_of_the_log_likelihood() -> None:
    """With samples of the model itself, the gradient of the contrast is that of -log p; n = 50,000.

    E = a x^2 / 2 has log p = -a x^2 / 2 + log(a) / 2, and at a = 2, E[x^2] = 3 the gradient is 3/2 - 1/4.
    """

    class Precision(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.tensor(2.0))

        def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
            return 0.5 * self.a * x[:, 0].square()

    n = 50_000
    chains = Langevin(100, 0.05)
    model = EnergyBased(Precision(), chains, FromNoise("normal"), regularizer=0.0)
    data = math.sqrt(3) * Rng(1, n).normal(1)
    (gradient,) = torch.autograd.grad(
        model.losses(encoded(data), None, Rng(0, n), "model").total.mean(), [model.network.a]
    )
    bias = 0.25 * (1 / (1 - 0.05 * 2 / 4) - 1)  # of the steps
    assert abs(gradient - (1.5 - 0.25 - bias)) <= 4 * math.sqrt((4.5 + 0.125) / n)


def test_the_starts_of_chains() -> None:
    x, rng = Rng(3, 8).normal(2), Rng(0, 8)
    assert torch.equal(FromData().begin(x, None, rng).x, x)
    uniform, normal = FromNoise().begin(x, None, rng).x, FromNoise("normal").begin(x, None, rng).x
    assert uniform.abs().max() <= 1 < normal.abs().max()


def test_the_buffer_continues_each_chain_where_it_ended() -> None:
    start = ReplayBuffer((2,), chains=12, restart=0.0)
    model, x = points_model(start, Langevin(2, 0.1)), Rng(3, 8).normal(2)
    begins, ends = [], []
    for step in range(3):
        rng = Rng(0, 8, ("train", step))
        begins.append(start.begin(x, None, rng.fork("start")))
        losses = model.objective.losses(encoded(x), None, rng, "model")
        model.objective.update_from_statistics(losses.statistics, step)
        ends.append(start.positions.clone())
    assert begins[1].places is not None and begins[1].places.tolist() == [8, 9, 10, 11, 0, 1, 2, 3]
    assert torch.equal(begins[1].x[4:], ends[0][:4]) and begins[1].x[:4].abs().max() <= 1
    assert torch.equal(begins[2].x, ends[1][4:12]) and not torch.equal(ends[1][:4], ends[0][:4])
    assert torch.equal(ends[1][4:8], ends[0][4:8])


def test_chains_begin_again_as_often_as_stated() -> None:
    """restart = 0.25; n = 4,000, seed 0, 4 standard errors."""
    start = ReplayBuffer((2,), chains=4000, restart=0.25)
    start.ages.fill_(1)
    start.positions.fill_(7.0)
    x = start.begin(torch.zeros(4000, 2), None, Rng(0, 4000)).x
    fresh = (x != 7).any(1).double().mean()
    assert abs(fresh - 0.25) <= 4 * math.sqrt(0.25 * 0.75 / 4000)


def test_a_chain_keeps_its_condition_and_samples_begin_at_chains_of_theirs() -> None:
    start = ReplayBuffer((2,), chains=8, restart=0.0, vector=3)
    model = points_model(start, vector=3)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    vectors = nn.functional.one_hot(labels, 3).float()
    x, rng = vectors[:, :2], Rng(0, 8)
    losses = model.objective.losses(encoded(x), Context(vector=vectors), rng, "model")
    model.objective.update_from_statistics(losses.statistics, 0)
    start.positions.copy_(vectors[:, :2])
    again = start.begin(x, vectors.flip(0), rng)
    assert again.vector is not None and torch.equal(again.vector, vectors)
    wanted = torch.tensor([2, 1, 0, 2])
    drawn = model.sample(4, wanted).tensor
    assert torch.allclose(drawn, nn.functional.one_hot(wanted, 3)[:, :2].float(), atol=1e-5)
    noise = model.sample(4, wanted, Langevin(1, 1e-12, noise=0.0, begin="noise")).tensor
    assert (noise - drawn).abs().min() > 1e-3


def test_samples_begin_at_the_older_half_of_the_chains() -> None:
    start = ReplayBuffer((1,), chains=6)
    noise, rng = torch.full((50, 1), 9.0), Rng(0, 50)
    assert torch.equal(start.continued(noise, None, rng), noise), "there is no chain yet"
    start.positions.copy_(torch.arange(6.0)[:, None])
    start.ages.copy_(torch.tensor([0, 0, 0, 1, 5, 7]))
    assert set(start.continued(noise, None, rng).flatten().tolist()) == {3, 4, 5}
    start.ages.copy_(torch.tensor([3, 3, 1, 1, 5, 7]))
    assert set(start.continued(noise, None, rng).flatten().tolist()) == {0, 1, 4, 5}


def test_the_buffer_is_saved_and_resumed(tmp_path) -> None:
    model = points_model(ReplayBuffer((2,), chains=16, distribution="normal"), Langevin(2, 0.1))
    train(model, Batch(ring().sample(Rng(0, 64))), steps=5)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert torch.equal(loaded.objective.start.positions, model.objective.start.positions)
    assert int(loaded.objective.start.following) == 8 and loaded.objective.start.ages.max() > 1
    assert torch.equal(loaded.sample(3).tensor, model.sample(3).tensor)


def test_there_is_no_likelihood_but_an_energy_that_ranks() -> None:
    model = points_model(FromNoise("normal"))
    with pytest.raises(Unsupported, match=r"constant is not known: rank rows by objective.energy"):
        model.log_prob(torch.zeros(2, 2))
    with pytest.raises(Unsupported, match="different sizes"):
        mask = torch.ones(2, 2, dtype=torch.bool)
        model.objective.losses(
            Encoded(torch.zeros(2, 2), torch.zeros(2), torch.ones(2), mask=mask), None, Rng(0, 2), "model"
        )


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: Langevin(step_size=0.0), "step_size=0"),
        (lambda: Langevin(step_size=math.nan), "step_size=nan"),
        (lambda: Langevin(clip=-1.0), "clip=-1"),
        (lambda: Langevin(bound=0.0), "bound=0"),
        (lambda: Langevin(steps=0), "steps=0"),
        (lambda: Langevin(noise=-0.1), "noise=-0.1"),
        (lambda: ReplayBuffer((2,), chains=0), "chains=0"),
        (lambda: ReplayBuffer((2,), restart=1.5), "restart=1.5"),
        (lambda: EnergyBased(Quadratic((0.0,), 1.0), STILL, FromData(), regularizer=-1.0), "regularizer=-1"),
        (lambda: EnergyBased(Quadratic((0.0,), 1.0), STILL, FromData(), noise=math.nan), "noise=nan"),
    ],
)
def test_arguments_out_of_range_are_refused(build, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        build()
    assert "give" in str(raised.value) and "\n" not in str(raised.value)


def test_what_cannot_be_sampled_or_continued_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"\d of 8 chains leave every bound"):
        Langevin(3, 0.01)(EnergyBased(Broken(), STILL, FromNoise("normal")), (2,), None, Rng(0, 8))
    with pytest.raises(ConfigError, match="a batch has more rows: give as many chains"):
        ReplayBuffer((2,), chains=4).begin(torch.zeros(8, 2), None, Rng(0, 8))
    with pytest.raises(ConfigError, match="the context's vector has width 3"):
        ReplayBuffer((2,), vector=5).begin(torch.zeros(2, 2), torch.zeros(2, 3), Rng(0, 2))
    with pytest.raises(Unsupported, match="Langevin does not sample"):
        Langevin().check(nn.Linear(1, 1))


def test_a_step_with_an_infinite_energy_changes_no_chain() -> None:
    model = points_model(ReplayBuffer((2,), chains=16, restart=0.0), Langevin(2, 0.1))
    train(model, Batch(ring().sample(Rng(0, 64))), steps=2)
    before = model.objective.start.positions.clone()
    with torch.no_grad():
        model.objective.network.body[0].weight.fill_(math.nan)
    with pytest.warns(Diverged):
        train(model, Batch(ring().sample(Rng(0, 64))), steps=2, warm_start=True)
    assert torch.equal(model.objective.start.positions, before)


def test_the_config_round_trips() -> None:
    model = EnergyBased(
        Perceptron((2,), ()),
        Langevin(7, 0.3, 0.1, 0.2, 0.9, "noise"),
        ReplayBuffer((2,), 9, 0.1, 4, "normal"),
    )
    assert to_config(from_config(to_config(model))) == to_config(model)


@pytest.mark.slow
@pytest.mark.parametrize("start", [FromData("normal"), ReplayBuffer((2,), 1024, 0.05, 0, "normal")])
def test_the_learned_density_of_a_ring_is_near_the_truth(start: ChainStart) -> None:
    """KL(p* || p) of 8 Gaussians on a circle by integration on a grid of 301 x 301 points; seed 0.

    Untrained it is above 10 nats; after 400 steps of 256 rows, below 0.6. It cannot be below 0.
    """
    truth = ring(8, 1.0, 0.2)
    axis = torch.linspace(-3, 3, 301)
    grid, cell = torch.cartesian_prod(axis, axis), (axis[1] - axis[0]).item() ** 2

    def divergence(model: Model) -> float:
        with torch.no_grad():
            energy = model.objective.energy(grid).double()
        log_z = (-energy).logsumexp(0) + math.log(cell)
        log_p = truth.log_prob(grid)
        return (log_p.exp() * (log_p + energy + log_z)).sum().item() * cell

    torch.manual_seed(0)
    network = Perceptron((2,), (), (128, 128, 128))
    plan = Plan(Adam(1e-3, betas=(0.0, 0.99)), batch=256, schedule=Cosine(warmup=20), ema=0.99)
    model = Model(EnergyBased(network, Langevin(20, 0.01), start, regularizer=0.0), Points(2), plan=plan)
    assert divergence(model) > 1
    train(model, Batch(truth.sample(Rng(0, 50_000))), steps=400)
    assert -1e-3 <= divergence(model) < 0.6
