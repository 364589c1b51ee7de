"""CTGAN's conditional vector: rare categories as often as the paper draws them, in the rows of any batch."""

import math

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.families.gan import ConditionalRows, Wasserstein
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, GridColumn, ModeSpecific, Tabular
from morphogen.systems.table_gan import table_gan
from morphogen.training.loop import train
from systems.mixed_table import MIXED, Rows, mixed_rows

COUNTS = torch.tensor([900.0, 90.0, 10.0]), torch.tensor([500.0, 500.0])
WORDS = Tabular(
    tuple(
        CategoryColumn(n, ("x", "y", "z")[: len(c)], (0.0, *c.tolist()))
        for n, c in zip("ab", COUNTS, strict=True)
    )
)
N = 20_000


class Recorder(torch.nn.Module):
    """A network that keeps the vector that it receives, and returns rows."""

    def __init__(self, rows: torch.Tensor | None = None):
        super().__init__()
        self.rows, self.seen = rows, None

    def forward(self, x, context):
        self.seen = context.vector
        return x.sum(1) if self.rows is None else self.rows


def drawn_by_the_paper() -> torch.Tensor:
    """The probability of each entry of the vector: a column, and a category by its log-frequency."""
    logs = [(1 + counts).log() for counts in COUNTS]
    return torch.cat([log / log.sum() / 2 for log in logs])


def parts(rows: torch.Tensor | None = None):
    representation = ModeSpecific(WORDS)
    medium = torch.stack(
        [Rng(j, N).categorical(counts.log().expand(N, -1)) for j, counts in enumerate(COUNTS)], 1
    ).double()
    x = representation.encode(medium, Rng(0, N))
    generator, critic = Recorder(x.x if rows is None else rows), Recorder()
    return ConditionalRows(generator, critic, {"z": (1,)}, Wasserstein(), representation), x, critic


def test_weighted_rows_have_the_categories_that_the_paper_draws():
    """20,000 rows, seeds 0 and 1: each entry within 4 standard errors, and each is a category of its row."""
    objective, x, critic = parts()
    losses = objective.losses(x, None, Rng(0, N), "critic")
    assert (critic.seen * x.x).sum(1).eq(1).all()
    weighted = losses.weight[:, None] * critic.seen
    error = weighted.std(0) / math.sqrt(N)
    assert ((weighted.mean(0) - drawn_by_the_paper()).abs() < 4 * error).all()
    assert error.max() < 0.01 and critic.seen.mean(0)[2] < 0.05 < drawn_by_the_paper()[2]


@pytest.mark.parametrize("turn", ["training", "sampling"])
def test_the_generator_is_given_rare_categories_in_training_and_not_in_sampling(turn):
    """20,000 draws, seed 0: within 4 standard errors of the log-frequencies, or of the frequencies."""
    objective, x, _ = parts()
    expected = torch.cat([counts / 2000 for counts in COUNTS])
    if turn == "training":
        assert objective.losses(x, None, Rng(0, N), "generator").weight is None
        expected = drawn_by_the_paper()
    else:
        objective.predict(objective.draw_latents(Rng(0, N), temperature=0.0), None)
    seen = objective.network.seen.mean(0)
    assert ((seen - expected).abs() < 4 * (expected * (1 - expected) / N).sqrt()).all()


def test_the_cross_entropy_is_that_of_the_given_category():
    rows = torch.tensor([0.7, 0.2, 0.1, 0.4, 0.6]).expand(N, -1)
    objective, x, critic = parts(rows)
    term = objective.losses(x, None, Rng(0, N), "generator").terms["condition"]
    assert torch.allclose(term, -(critic.seen @ rows[0]).log())
    assert set(critic.seen.argmax(1).tolist()) == {0, 1, 2, 3, 4}


def test_a_table_without_categories_has_no_vector():
    numbers = Tabular((GridColumn("g", (0, 1, 2), 3, weights=(0.0, 1.0, 1.0, 2.0)),))
    with pytest.raises(ConfigError, match="no column of categories: use Adversarial"):
        ConditionalRows(Recorder(), Recorder(), {"z": (1,)}, Wasserstein(), ModeSpecific(numbers))
    model = table_gan(numbers, size="tiny")
    assert not isinstance(model.objective, ConditionalRows)
    assert set(model.sample(50, seed=0).tensor.flatten().tolist()) <= {0.0, 1.0, 2.0, 3.0}


@pytest.mark.slow
def test_a_trained_generator_has_the_dependence_of_the_columns():
    """4000 samples, seed 0, after 400 turns of each player, on 4000 rows of 20 kinds.

    The categories are in their proportions, within 0.08, which untrained ones are too. Of the rows with x
    60 % have no number, of the others 11 %; of those with y 45 % have 0, with z 5 %. Untrained, no difference
    is above 0.25.
    """
    torch.manual_seed(0)
    model = build_system("table_gan", MIXED, {}, "tiny")
    assert max(_differences(model)[1]) < 0.25
    train(model, Rows(mixed_rows(4000)), steps=800)
    proportions, differences = _differences(model)
    assert torch.allclose(proportions, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.08)
    assert differences[0] == pytest.approx(0.49, abs=0.2) and differences[1] == pytest.approx(0.4, abs=0.2)


def _differences(model):
    word, number = model.sample(4000, seed=0).tensor.nan_to_num(-1).T
    missing, zero = number == -1, number == 0
    by_word = [
        (missing[word == 0], missing[word != 0]),
        (zero[word == 1], zero[word == 2]),
    ]
    proportions = torch.bincount(word.long() + 1, minlength=4) / len(word)
    return proportions, [(one.float().mean() - other.float().mean()).item() for one, other in by_word]
