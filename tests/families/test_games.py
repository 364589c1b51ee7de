"""Games, R1, constraints of the critic and differentiable augmentation, against their definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.gan import (
    R1,
    Adversarial,
    DiffAugment,
    GradientPenalty,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Wasserstein,
)
from morphogen.networks.dcgan import DCGANGenerator
from morphogen.networks.lipschitz import ClippedWeights, SpectrallyNormalized
from morphogen.numerics.randomness import Rng

P_DATA, P_MODEL = 0.3, 0.1
OPTIMA = {  # the score that minimizes p_data real(s) + p_model fake(s)
    Minimax: torch.tensor(P_DATA / P_MODEL).log().item(),
    NonSaturating: torch.tensor(P_DATA / P_MODEL).log().item(),
    LeastSquares: P_DATA / (P_DATA + P_MODEL),
    Hinge: 1.0,
}


class SmoothCritic(Component, nn.Module):
    """A small network, with scores [B] or of two patches."""

    def __init__(self, dims: int, outputs: int = 1):
        super().__init__()
        self.dims, self.outputs = dims, outputs
        self.layers = nn.Sequential(nn.Linear(dims, 5), nn.Tanh(), nn.Linear(5, outputs))

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        scores = self.layers(x.flatten(1))
        return scores[:, 0] if self.outputs == 1 else scores


class NormalizedCritic(SmoothCritic):
    """A critic with batch normalization."""

    def __init__(self, dims: int):
        super().__init__(dims)
        self.norm = nn.BatchNorm1d(dims)

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return super().forward(self.norm(x.flatten(1)))


@pytest.mark.parametrize("game", OPTIMA)
def test_the_optimal_score_is_the_known_one(game: type) -> None:
    s = torch.linspace(-4, 4, 80001, dtype=torch.float64)
    loss = P_DATA * game().real(s) + P_MODEL * game().fake(s)
    assert abs(s[loss.argmin()] - OPTIMA[game]) < 2e-4


def test_the_generators_losses() -> None:
    s = torch.tensor([-20.0, 0.0, 3.0], requires_grad=True)
    p = torch.sigmoid(s.detach())
    slopes = {
        game: torch.autograd.grad(game().generator(s).sum(), s)[0]
        for game in (Minimax, NonSaturating, LeastSquares, Wasserstein, Hinge)
    }
    assert torch.allclose(slopes[Minimax], -p) and torch.allclose(slopes[NonSaturating], p - 1)
    assert slopes[Minimax][0].abs() < 1e-8 and slopes[NonSaturating][0] < -0.99  # saturated or not
    assert torch.allclose(slopes[LeastSquares], s.detach() - 1)
    assert (slopes[Wasserstein] == -1).all() and (slopes[Hinge] == -1).all()


@pytest.mark.parametrize("penalty", [R1(3.0), GradientPenalty(3.0)])
def test_penalties_and_their_gradients_equal_their_definitions_in_fp64(penalty: R1 | GradientPenalty) -> None:
    """The definition differentiates each row's score with respect to that row alone; <= 1e-8."""
    torch.manual_seed(0)
    critic = SmoothCritic(6).double()
    real, fake = Rng(0, 5).normal(2, 3).double(), Rng(1, 5).normal(2, 3).double()
    rng = Rng(2, 5)
    alpha = Rng(2, 5).uniform().double().view(-1, 1, 1)
    at = real if isinstance(penalty, R1) else real + alpha * (fake - real)
    values = []
    for row in at:
        x = row[None].clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(x)[0], x, create_graph=True)
        square = gradient.square().sum()
        values.append(1.5 * square if isinstance(penalty, R1) else 3 * (square.sqrt() - 1) ** 2)
    defined, found = torch.stack(values), penalty(critic, real, fake, None, rng)
    assert torch.allclose(found, defined, rtol=0, atol=1e-8)
    for ours, theirs in zip(
        torch.autograd.grad(found.sum(), critic.layers[0].parameters()),
        torch.autograd.grad(defined.sum(), critic.layers[0].parameters()),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-8) and ours.abs().max() > 1e-3


def test_r1_on_every_third_row_has_the_same_expectation() -> None:
    """The mean over shifts of the row numbers is the penalty of all rows; rows alone have the same one."""
    torch.manual_seed(0)
    critic, x = SmoothCritic(6), Rng(0, 6).normal(6)
    every, each = R1(2.0, every=3), R1(2.0)(critic, x, x, None, Rng(1, 6))
    shifted = [every(critic, x, x, None, Rng(1, torch.arange(6) + i)) for i in range(3)]
    assert torch.allclose(torch.stack(shifted).mean(0), each, rtol=1e-5)
    assert shifted[0].nonzero().flatten().tolist() == [0, 3]
    alone = [every(critic, x[i : i + 1], x[:1], None, Rng(1, torch.tensor([i]))) for i in range(6)]
    assert torch.allclose(torch.cat(alone), shifted[0], rtol=1e-5)
    with pytest.raises(ConfigError, match="every=0"):
        R1(1.0, every=0).check(critic)


@pytest.mark.parametrize("penalty", [R1(1.0), GradientPenalty(1.0)])
def test_penalties_are_fp32_in_a_bf16_forward_pass(penalty: R1 | GradientPenalty) -> None:
    torch.manual_seed(0)
    critic, x, fake = SmoothCritic(6), Rng(0, 5).normal(6), Rng(1, 5).normal(6)
    expected = penalty(critic, x, fake, None, Rng(2, 5))
    with torch.autocast("cpu", torch.bfloat16):
        found = penalty(critic, x.bfloat16().float(), fake, None, Rng(2, 5))
        exact = penalty(critic, x, fake, None, Rng(2, 5))
    assert found.dtype == torch.float32 and torch.equal(exact, expected)


@pytest.mark.parametrize("penalty", [R1(1.0), GradientPenalty(1.0)])
def test_penalties_refuse_batch_normalization(penalty: R1 | GradientPenalty) -> None:
    with pytest.raises(ConfigError, match=r"BatchNorm1d in the critic makes it depend on the other rows"):
        Adversarial(nn.Identity(), NormalizedCritic(4), 4, NonSaturating(), penalty)
    Adversarial(nn.Identity(), NormalizedCritic(4), 4, NonSaturating())


def test_a_zero_gradient_has_a_finite_penalty_gradient() -> None:
    critic = SmoothCritic(6)
    nn.init.zeros_(critic.layers[2].weight)
    x = Rng(0, 5).normal(6)
    for penalty in (R1(1.0), GradientPenalty(1.0)):
        penalty(critic, x, x + 1, None, Rng(1, 5)).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in critic.parameters())


def gan(critic: nn.Module) -> Adversarial:
    generator = SmoothCritic(2, 6)
    return Adversarial(generator, critic, 2, Wasserstein())


def test_weights_are_clipped_after_the_critics_turns_only() -> None:
    objective = gan(ClippedWeights(SmoothCritic(6), 0.02))
    x = Encoded(Rng(0, 4).normal(6), torch.zeros(4), torch.ones(4))
    weights = objective.critic.network.layers[0].weight
    before = weights.detach().clone()
    for player in ("generator", "critic"):
        objective.update_from_statistics(objective.losses(x, None, Rng(1, 4), player).statistics, 0)
        assert torch.equal(weights, before.clamp(-0.02, 0.02) if player == "critic" else before)
    with pytest.raises(ConfigError, match="give a positive number"):
        ClippedWeights(SmoothCritic(6), 0.0)


def test_spectral_norms_are_one_and_follow_the_weights() -> None:
    """Against singular values; after a change of the weights, 30 turns of the critic restore the norm."""
    torch.manual_seed(0)
    conv = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    conv(torch.zeros(2, 3, 6, 6))
    network = SpectrallyNormalized(conv, iterations=50)
    network.constrain()

    def norms() -> list[float]:
        layers = [network.network[0], network.network[3]]
        return [torch.linalg.matrix_norm(part.weight.flatten(1), 2).item() for part in layers]

    assert norms() == pytest.approx([1, 1], abs=1e-3)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.5 * torch.randn_like(p))
    assert max(abs(norm - 1) for norm in norms()) > 0.05
    network.constrain()
    assert norms() == pytest.approx([1, 1], abs=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        assert norms() == pytest.approx([1, 1], abs=2e-2)


def test_spectral_normalization_needs_layers() -> None:
    with pytest.raises(ConfigError, match="Identity has no linear or convolutional layer"):
        SpectrallyNormalized(nn.Identity())


@settings(max_examples=20, deadline=None)
@given(side=st.integers(4, 12), channels=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_augmentation_depends_on_the_row_only_and_is_differentiable(
    side: int, channels: int, seed: int
) -> None:
    x = Rng(seed, 4).uniform(channels, side, side + 1).requires_grad_(True)
    augment = DiffAugment(background=-1.0)
    y = augment(x, Rng(seed, 4))
    alone = augment(x[2:3], Rng(seed, torch.tensor([2])))
    assert y.shape == x.shape and torch.allclose(y[2:3], alone, atol=1e-6)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.isfinite().all() and gradient.flatten(1).any(1).all()


def test_translation_moves_by_up_to_an_eighth_and_cutout_removes_a_quarter() -> None:
    """400 pictures of 16 x 16: offsets are -2 .. 2, uniform to 4 standard errors (n = 400, seed 3)."""
    n = 400
    picture = torch.zeros(n, 1, 16, 16)
    picture[:, :, 8, 8] = 1.0
    moved = DiffAugment(("translation",))(picture, Rng(3, n)).flatten(1).argmax(1)
    rows = moved // 16 - 8
    counts = torch.bincount(rows + 2, minlength=5).float()
    assert rows.min() == -2 and rows.max() == 2
    assert (counts / n - 0.2).abs().max() < 4 * (0.2 * 0.8 / n) ** 0.5
    removed = (DiffAugment(("cutout",), background=-1.0)(torch.ones(n, 1, 16, 16), Rng(4, n)) < 0).sum(
        (1, 2, 3)
    )
    assert removed.max() == 64 and removed.min() >= 16
    with pytest.raises(ConfigError, match="'flip': give color, translation, cutout"):
        DiffAugment(("flip",))


def test_augmented_scores_and_a_penalty_of_the_data_themselves() -> None:
    """The critic's scores are those of augmented pictures; R1 is at the pictures of the data."""
    torch.manual_seed(0)
    generator, critic = DCGANGenerator(2, (1, 8, 8), 4), SmoothCritic(64)
    x = Encoded(Rng(0, 6).normal(1, 8, 8), torch.zeros(6), torch.ones(6))
    plain, augmented = (
        Adversarial(generator, critic, 2, NonSaturating(), R1(1.0), augment=augment)
        for augment in (None, DiffAugment())
    )
    one, other = (objective.losses(x, None, Rng(1, 6), "critic").terms for objective in (plain, augmented))
    assert torch.equal(one["penalty"], other["penalty"]) and not torch.equal(one["real"], other["real"])
    shown = DiffAugment()(x.x, Rng(1, 6).fork("augment real"))
    assert torch.allclose(other["real"], NonSaturating().real(critic(shown)))


def test_the_l1_term_is_of_the_paired_row() -> None:
    torch.manual_seed(0)
    objective = Adversarial(SmoothCritic(2, 6), SmoothCritic(6), 2, NonSaturating(), l1=100.0)
    x = Encoded(Rng(0, 4).normal(6), torch.zeros(4), torch.ones(4))
    losses = objective.losses(x, None, Rng(1, 4), "generator")
    fake = objective.fake(x.x, None, Rng(1, 4))
    assert torch.allclose(losses.terms["l1"], 100 * (x.x - fake).abs().mean(1))
    assert "l1" not in objective.losses(x, None, Rng(1, 4), "critic").terms


def test_variation_is_the_ratio_of_total_variances() -> None:
    """Over two micro-batches; a collapsed generator has 0."""
    objective = gan(SmoothCritic(6))
    real, fake = Rng(0, 50).normal(6), 0.5 * Rng(1, 50).normal(6) + 3
    parts = [objective.variation.statistics(real[i : i + 25], fake[i : i + 25]) for i in (0, 25)]
    objective.variation.ratio.zero_()
    for _ in range(200):
        objective.variation.update({name: parts[0][name] + parts[1][name] for name in parts[0]})
    expected = fake.var(0, correction=0).sum() / real.var(0, correction=0).sum()
    assert objective.variation.ratio == pytest.approx(float(expected), rel=1e-3)
    for _ in range(200):
        objective.variation.update(objective.variation.statistics(real, fake[:1].expand(50, 6)))
    assert objective.variation.ratio < 1e-3


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="critic_steps=0"):
        Adversarial(nn.Identity(), SmoothCritic(4), 4, Hinge(), critic_steps=0)
    with pytest.raises(ConfigError, match="l1=-1"):
        Adversarial(nn.Identity(), SmoothCritic(4), 4, Hinge(), l1=-1.0)


def test_running_statistics_start_at_those_of_the_first_batch() -> None:
    """In evaluation, an untrained DCGAN has the outputs that it has in training."""
    torch.manual_seed(0)
    generator = DCGANGenerator(8, (1, 8, 8), 16)
    objective = Adversarial(generator, SmoothCritic(64), 8, NonSaturating())
    x = Encoded(Rng(0, 64).normal(1, 8, 8), torch.zeros(64), torch.ones(64))
    generator.eval()
    before = objective.fake(x.x, None, Rng(1, 64)).std()
    objective.prepare(x, None, Rng(1, 64))
    assert not generator.body[0].training and generator.body[0].momentum == 0.1
    after = objective.fake(x.x, None, Rng(1, 64))
    generator.train()
    assert torch.allclose(after, objective.fake(x.x, None, Rng(1, 64)), atol=1e-2)
    assert after.std() > 2 * before
