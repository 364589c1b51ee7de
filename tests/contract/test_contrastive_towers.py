"""Contrastive encoders of correlated Gaussian pairs, whose mutual information is known in closed form.

x, y ~ N(0, I) in d dimensions, correlation rho per dimension:     I(x; y) = -d/2 log(1 - rho^2)
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import morphogen as mg
from contract.towers import BATCH, INFORMATION, pairs, tower, towers
from morphogen.component import ConfigError
from morphogen.contract import Batch, Unsupported
from morphogen.families.contrastive import Contrastive
from morphogen.numerics.randomness import Rng
from morphogen.testing import LAWS, OF_SAMPLES, check_model
from morphogen.training import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[mg.Model, Path]:
    """Trained by the ordinary loop: 400 steps on 100 000 pairs, seed 0."""
    model, directory = towers(), tmp_path_factory.mktemp("towers")
    train(model, pairs(100_000, 0), steps=400, directory=directory, device="cpu", precision="fp32")
    return model.eval(), directory


def bounds(model: mg.Model, change: Callable[[Batch], Batch] = lambda batch: batch) -> tuple[float, float]:
    """Mean of log B - loss over 100 fresh batches of 512, seed 1, and its standard error."""
    rows, values = pairs(100 * BATCH, 1), []
    for i in range(100):
        batch = change(rows[slice(i * BATCH, (i + 1) * BATCH)])
        with torch.no_grad():
            values.append(math.log(BATCH) - model(batch, Rng(i, BATCH), "model").total.mean())
    return torch.stack(values).mean().item(), torch.stack(values).std().item() / math.sqrt(len(values))


def test_infonce_bounds_the_mutual_information(trained: tuple[mg.Model, Path]) -> None:
    """At most I(x; y) within three standard errors, and within 10 % of it."""
    mean, error = bounds(trained[0])
    assert error < 0.01 * INFORMATION
    assert 0.9 * INFORMATION < mean < INFORMATION + 3 * error


def test_the_bound_detects_unrelated_pairs_and_leaks(
    trained: tuple[mg.Model, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs shifted by one row have no information; similarity that knows the row has too much."""
    mean, _ = bounds(trained[0], lambda batch: Batch(batch.medium, {"y": batch.condition["y"].roll(1, 0)}))
    assert mean < 0
    similarity = Contrastive.similarity
    monkeypatch.setattr(
        Contrastive, "similarity", lambda self, *pair: similarity(self, *pair) + torch.eye(BATCH)
    )
    mean, error = bounds(trained[0])
    assert mean > INFORMATION + 3 * error


def test_a_saved_model_gives_the_same_bound(trained: tuple[mg.Model, Path]) -> None:
    model, directory = trained
    loaded = mg.load(directory / "model").eval()
    assert bounds(loaded) == bounds(model)
    logged = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < step["information"] < math.log(BATCH) and 0 < step["accuracy"] < 1 for step in logged)


def test_it_neither_samples_nor_has_a_likelihood() -> None:
    model, rows = towers(), pairs(4, 0)
    for refused in (
        lambda: model.sample(2),
        lambda: model.log_prob(rows.medium, rows.condition),
        lambda: model.sample(2, rows[:2].condition, mg.DDIM()),
    ):
        with pytest.raises(Unsupported, match=r"^Contrastive does not generate .*: compare pairs by"):
            refused()


def test_accumulation_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^plan.accumulate is 2, but Contrastive couples [^\n]*=1$"):
        train(towers(accumulate=2), pairs(1024, 0), steps=1, device="cpu")


def test_it_satisfies_the_laws() -> None:
    """All laws but those of samples."""
    assert set(check_model(towers(batch=12), pairs(12, 3))) == LAWS.keys() - OF_SAMPLES


def test_invalid_arguments_and_data_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"temperature 0.001 is not above"):
        Contrastive(tower(), tower(), temperature=0.001)
    with pytest.raises(ConfigError, match="requires pairs"):
        towers()(Batch(pairs(4, 0).medium), Rng(0, 4), "model")
    model = towers()
    nn.init.zeros_(model.objective.condition_network.output_layer.weight)
    with pytest.raises(ConfigError, match="condition_network returns zero"):
        train(model, pairs(1024, 0), steps=1, device="cpu")


def test_smoothed_labels_cost_what_other_rows_are_assigned() -> None:
    """(1 - a) of the loss and a of the mean over all pairs, in both directions; the bound is unsmoothed."""
    rows = pairs(6, 2)
    sharp, smooth = (towers(batch=6), towers(batch=6))
    encoders = smooth.objective.network, smooth.objective.condition_network
    smooth.objective = Contrastive(*encoders, smoothing=0.1)
    with torch.no_grad():
        one, other = (model(rows, Rng(0, 6), "model") for model in (sharp, smooth))
        s = sharp.objective.similarity(rows.medium, sharp.context(rows.condition, 6))  # type: ignore[operator]
    spread = -(s.log_softmax(1).mean(1) + s.T.log_softmax(1).mean(1)) / 2
    assert torch.allclose(other.total, 0.9 * one.total + 0.1 * spread, atol=1e-5)
    assert torch.allclose(other.metrics["information"], one.metrics["information"])
    with pytest.raises(ConfigError, match=r"smoothing 1 must be in \[0, 1\)"):
        Contrastive(tower(), tower(), smoothing=1.0)
