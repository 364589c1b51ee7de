"""Models whose rows depend on each other are trained on whole batches."""

import pytest
import torch
from torch import nn

from morphogen.component import ConfigError
from morphogen.ownership import coupled_parts
from morphogen.testing import check_model
from morphogen.training import train
from training.toys import Rows, batch_norm, denoiser

LAW = ["coupled_rows_are_declared"]


def test_batch_normalization_couples_rows() -> None:
    assert [type(part) for part in coupled_parts(batch_norm())] == [nn.BatchNorm1d]
    assert check_model(batch_norm(), Rows()[torch.arange(12)], LAW)
    assert not coupled_parts(denoiser())


def test_a_nested_model_in_evaluation_mode_does_not() -> None:
    outer = denoiser(first=batch_norm())
    assert not coupled_parts(outer)
    train(outer, Rows(), steps=2, device="cpu")


def test_a_part_may_deny_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The law finds a wrong declaration of a part in either direction."""
    rows = Rows()[torch.arange(12)]
    monkeypatch.setattr(nn.BatchNorm1d, "coupled_rows", False, raising=False)
    with pytest.raises(AssertionError, match="losses of a part of the batch differs by"):
        check_model(batch_norm(), rows, LAW)
    monkeypatch.setattr(nn.Tanh, "coupled_rows", True, raising=False)
    with pytest.raises(AssertionError, match=r"\['Tanh'\] couple rows, but .* differ by .* only"):
        check_model(denoiser(0.0), rows, LAW)


def test_micro_batches_are_refused_before_any_step() -> None:
    model = batch_norm(accumulate=2)
    before = model.objective.network[0].weight.clone()
    with pytest.raises(ConfigError, match=r"accumulate is 2, but BatchNorm1d couples the rows [^\n]*=1$"):
        train(model, Rows(), steps=1, device="cpu")
    assert torch.equal(before, model.objective.network[0].weight)


def test_a_batch_of_one_row_has_no_statistics() -> None:
    """It is refused before any step, whether the plan or the data have one row; two rows train."""
    line = r"^a batch has one row, but BatchNorm1d couples the rows [^\n]*: set plan.batch to 2 or more"
    for model, rows in ((batch_norm(batch=1), Rows()), (batch_norm(), Rows(1))):
        with pytest.raises(ConfigError, match=line):
            train(model, rows, steps=1, device="cpu")
    assert train(batch_norm(batch=2), Rows(), steps=1, device="cpu").finished
    assert train(denoiser(), Rows(1), steps=1, device="cpu").finished
