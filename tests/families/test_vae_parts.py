"""Parts of a VAE in combination: whole models keep the laws, and wrong ones are refused in one line."""

from typing import Any

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning.label import Label
from morphogen.contract import Batch
from morphogen.families.flow import Flow, SingleScale
from morphogen.families.vae import (
    ELBO,
    VAE,
    Bernoulli,
    DiagonalGaussian,
    ImportanceWeighted,
    InverseAutoregressive,
    LearnedPrior,
    VampPrior,
)
from morphogen.model import Model
from morphogen.networks.made import MADE
from morphogen.networks.perceptron import Perceptron
from morphogen.numerics.randomness import Rng
from morphogen.ownership import coupled_parts
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.testing import check_model
from morphogen.training.loop import train

SHAPE, D, VECTOR = (1, 4, 4), 3, 5
LAWS = [
    "save_load_round_trip",
    "sample_is_a_function_of_its_index",
    "gradient_reaches_every_owned_parameter",
    "resume_is_bitwise",
    "coupled_rows_are_declared",
]


class Rows(torch.utils.data.Dataset):
    """Black and white pictures with labels, in memory."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, rows: Any) -> Batch:
        return batch()[rows]


def batch(n: int = 16) -> Batch:
    pictures = torch.where(Rng(5, n).uniform(*SHAPE) < 0.5, 1.0, -1.0)
    return Batch(pictures, {"label": torch.arange(n) % 4})


def model(kind: str) -> Model:
    torch.manual_seed(0)
    posterior: Any = DiagonalGaussian()
    parts: dict[str, Any] = {"bound": ELBO(beta=2.0, warmup=3)}
    if kind == "flows":
        posterior = InverseAutoregressive(**{f"step_{i}": MADE(D, 2, 6, 1, vector=D) for i in range(2)})
        prior = LearnedPrior(Flow(SingleScale(D, 8, 1, 2, VECTOR)))
        parts = {"prior": prior, "bound": ImportanceWeighted(3), "bound_samples": 4}
    encoder = Perceptron(SHAPE, (posterior.outputs(D),), (12,), VECTOR)
    if kind == "vamp":
        parts = {"prior": VampPrior(encoder, SHAPE, 5), "bound": ImportanceWeighted(2)}
    if kind == "free bits":
        parts = {"bound": ELBO(free_nats=0.3)}
    objective = VAE(encoder, Perceptron((D,), SHAPE, (12,), VECTOR), Bernoulli(), (D,), posterior, **parts)
    return Model(objective, Pixels(2, SHAPE), Label(4, VECTOR), Plan(Adam(1e-2), batch=8))


@pytest.mark.parametrize("kind", ["warm-up", "flows", "vamp", "free bits"])
def test_a_conditional_model_of_these_parts_keeps_the_laws(kind: str) -> None:
    # this batch and its part are on one side of the free nats, so nothing couples them here
    laws = [law for law in LAWS if kind != "free bits" or law != "coupled_rows_are_declared"]
    check_model(model(kind), batch(), laws)


def test_free_bits_couple_the_rows_and_refuse_micro_batches(tmp_path: Any) -> None:
    whole = model("free bits")
    assert [type(part).__name__ for part in coupled_parts(whole)] == ["ELBO"]
    assert not coupled_parts(model("warm-up"))
    whole.plan.accumulate = 2
    with pytest.raises(ConfigError, match="ELBO couples the rows"):
        train(whole, Rows(), steps=1)


def test_the_likelihood_of_a_model_says_how_many_draws_it_averages() -> None:
    rows = batch(5)
    likelihood = model("flows").log_prob(rows.medium, rows.condition, batch=2)
    assert likelihood.draws == 4 and likelihood.stderr is not None
    assert model("vamp").log_prob(rows.medium, rows.condition).draws == 1


def test_combinations_without_a_density_raise() -> None:
    flow = InverseAutoregressive(step_1=MADE(D, 2, 6, 1, vector=D))
    with pytest.raises(ConfigError, match=r"give \(D,\), not \(2, 2, 2\)"):
        flow.draw(torch.zeros(4, 6, 2, 2), torch.zeros(4, 2, 2, 2))
    encoder = Perceptron(SHAPE, (flow.outputs(D),), (12,))  # a VampPrior knows mu and log sigma
    with pytest.raises(
        ConfigError, match=r"Perceptron returns \[5, 9\]: the result must have the shape \[5, 6\]"
    ):
        VampPrior(encoder, SHAPE, 5).log_prob(torch.zeros(4, D), None)
