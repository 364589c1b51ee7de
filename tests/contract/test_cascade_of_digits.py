"""Two resolutions of digits: each stage takes the label, the second also the sample of the first.

Trained by the ordinary loop: 200 steps a stage, batches of 64, seed 0; 9 s on one core.
"""

import copy
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import morphogen as mg
from contract.cascades import digits_cascade, halved
from morphogen.contract import Context
from morphogen.evaluation.conditional_fidelity import condition_accuracy
from morphogen.evaluation.features import features_for
from morphogen.model import tensors
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan
from morphogen.testing import check_model
from morphogen.training import train
from morphogen.training.checkpoint import Every

N = 300
LABELS = torch.arange(N) % 10
GUIDED = mg.Guided(mg.DDIM(15), scale=2.0)


pytestmark = pytest.mark.slow  # test_two_code_levels and the laws of vqvae2 are fast tests of cascades


@pytest.fixture(scope="module")
def data() -> Any:
    return mg.load_data("digits")


@pytest.fixture(scope="module")
def cascade(data: Any) -> mg.Cascade:
    model = digits_cascade()
    train(model, data.train, steps=400, device="cpu", precision="fp32")
    return model.eval()


@pytest.fixture(scope="module")
def drawn(cascade: mg.Cascade) -> tuple[Tensor, Tensor]:
    """x of the first stage, and the digits drawn from it: n = 300, seed 1."""
    low = cascade.sample_batch(Rng(1, N, ("sample",)), {"label": LABELS}, GUIDED)["low"]
    return low, cascade.sample(N, {"label": LABELS}, GUIDED, seed=1).tensor


def disagreement(pictures: Tensor, low: Tensor) -> float:
    """Squared distance of the halved pictures to `low`, over that to another row of the same label."""
    half = halved(pictures)
    return ((half - low).square().mean() / (half - low.roll(10, 0)).square().mean()).item()


def test_digits_are_read_as_requested(drawn: tuple[Tensor, Tensor], data: Any) -> None:
    """At least 95 % of 300 (100 % measured); read as the next label, at most 5 %."""
    features = features_for(data)
    read, other = (condition_accuracy(drawn[1], labels, features) for labels in (LABELS, LABELS.roll(1)))
    assert read is not None and other is not None
    assert read["value"] >= 0.95 and other["value"] <= 0.05


def test_a_picture_agrees_with_the_smaller_one_that_it_is_drawn_from(
    cascade: mg.Cascade, drawn: tuple[Tensor, Tensor]
) -> None:
    """The ratio is 0.32; it is 1 for the mutant, whose second stage ignores the smaller picture."""
    low, pictures = drawn
    assert disagreement(pictures, low) < 0.45
    mutant = ignoring_low(cascade).sample(N, {"label": LABELS, "low": low}, GUIDED, seed=1)
    assert 0.8 < disagreement(mutant.tensor, low) < 1.25


def test_a_given_picture_is_upsampled_instead_of_a_sample(
    cascade: mg.Cascade, drawn: tuple[Tensor, Tensor]
) -> None:
    """Given x of the first stage, the second draws the same pictures."""
    low, pictures = drawn
    given = cascade.sample(20, {"label": LABELS[:20], "low": low[:20]}, GUIDED, seed=1)
    torch.testing.assert_close(given.tensor, pictures[:20], atol=1e-5, rtol=0)


def test_it_satisfies_the_laws(data: Any) -> None:
    assert len(check_model(digits_cascade(8), data.train.first(8))) > 10


@pytest.mark.parametrize("reads", [3, 10], ids=["first stage", "second stage"])
def test_a_stopped_training_resumes_bitwise(reads: int, data: Any, tmp_path: Path) -> None:
    """Stopped in step 3 of the first stage, or in step 3 of the second, of 6 steps each."""

    def fresh() -> mg.Cascade:
        return digits_cascade(8, plan=Plan(Adam(1e-3), batch=16, ema=0.9))

    whole, resumed = fresh(), fresh()
    train(whole, data.train, steps=12, device="cpu")
    options: dict[str, Any] = {"directory": tmp_path, "device": "cpu", "checkpoint_every": Every(steps=1)}
    with suppress(Stopped):
        train(fresh(), StoppingRows(data.train, reads), steps=12, **options)
    assert (tmp_path / "high" / "checkpoints").exists() == (reads > 7)
    assert not (tmp_path / "model").exists()
    train(resumed, data.train, steps=12, **options)
    for name, tensor in tensors(whole).items():
        assert torch.equal(tensors(resumed)[name], tensor), name
    loaded = mg.load(tmp_path / "model")
    assert repr(loaded) == repr(whole)
    assert torch.equal(*(model.sample(2, seed=3).tensor for model in (loaded, whole)))


def ignoring_low(cascade: mg.Cascade) -> mg.Cascade:
    """The second stage gets no planes in place of the smaller picture."""
    mutant: Any = copy.deepcopy(cascade)
    mutant.models["high"].objective.network.register_forward_pre_hook(
        lambda network, arguments: (*arguments[:2], without_planes(arguments[2]))
    )
    return mutant


def without_planes(context: Context) -> Context:
    null = None if context.null is None else without_planes(context.null)
    return replace(context, spatial=None, null=null)


class Stopped(Exception):
    pass


class StoppingRows:
    """The rows of a data set, which can be read a number of times."""

    def __init__(self, rows: Any, reads: int):
        self.rows, self.reads = rows, reads

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: Tensor) -> mg.Batch:
        if self.reads == 0:
            raise Stopped
        self.reads -= 1
        batch: mg.Batch = self.rows[indices]
        return batch
