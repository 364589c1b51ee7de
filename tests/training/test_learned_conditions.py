"""The conditions that a model learns are those of its rows; what is a part of x needs no condition."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.catalogue import pages
from morphogen.conditioning import Classes, Conditions, GivenCells, Label, Prefix
from morphogen.contract import Batch
from morphogen.data import DataError, Dataset
from morphogen.training.given import training_rows
from training.toys import Rows, denoiser

RNG = np.random.default_rng(0)
DATA: dict[str, Any] = {
    "pictures": lambda: mg.load_data(RNG.integers(0, 17, (40, 8, 8))),
    "text": lambda: mg.load_data([f"chapter {i}: {i * i} cats\n" * 2 for i in range(60)], length=16),
    "table": lambda: mg.load_data(pd.DataFrame({"a": RNG.normal(size=60), "b": RNG.normal(size=60)})),
    "sound": lambda: mg.load_data(RNG.uniform(-0.9, 0.9, (40, 900)), rate=8000, length=256),
}
LABELLED = [page for page in pages().values() if "label" in page.takes]


class Labelled(Rows):
    """Rows with labels under any name."""

    def __init__(self, *names: str):
        super().__init__()
        self.names = names

    def __getitem__(self, rows: torch.Tensor) -> Batch:
        return Batch(self.medium[rows], dict.fromkeys(self.names, torch.zeros(len(rows)).long()))


@pytest.fixture(scope="module")
def datasets() -> dict[str, Dataset]:
    return {medium: load() for medium, load in DATA.items()}


@pytest.mark.parametrize("system", [page.name for page in LABELLED])
def test_every_system_refuses_rows_without_its_labels(system: str, datasets: dict[str, Dataset]) -> None:
    data = datasets[pages()[system].medium]
    label = {"label": Classes(3)}
    model = mg.build_system(system, data.representation, label, size="tiny")
    with pytest.raises(DataError, match=r"^the model takes labels, and the examples have none: give them"):
        training_rows(model, data)
    if "label" not in pages()[system].required:
        unconditional = mg.build_system(system, data.representation, size="tiny")
        assert training_rows(unconditional, data) is data.train


def test_only_what_no_row_has_is_missing() -> None:
    model = denoiser()
    model.conditioner = Conditions(
        label=Label(3, 4), prompt=Prefix(), kind=mg.conditioning.ConditionDropout(Label(3, 4))
    )
    with pytest.raises(DataError, match="takes the condition kind, label, and the examples have none"):
        training_rows(model, Rows())
    with pytest.raises(DataError, match=r"the condition kind, .*: give examples with it in batch.condition"):
        training_rows(model, Labelled("label"))
    rows = Labelled("label", "kind")
    assert training_rows(model, rows) is rows


def test_parts_of_x_are_no_conditions_of_the_rows(datasets: dict[str, Dataset]) -> None:
    for system, medium in (("gpt", "text"), ("table_transformer", "table"), ("table_mixture", "table")):
        model = mg.build_system(system, datasets[medium], size="tiny")
        assert any(isinstance(part, Prefix | GivenCells) for part in model.modules())
        assert training_rows(model, datasets[medium]) is datasets[medium].train
