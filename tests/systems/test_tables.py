"""Both table systems on real tables: fewer bits on held-out rows than a model of independent columns."""

import csv
import json
from pathlib import Path

import pytest
import torch
from sklearn import datasets

from morphogen.catalogue import build_system
from morphogen.data import load_data
from morphogen.families.classical import Mixture
from morphogen.model import Model
from morphogen.plan import SGD, Plan
from morphogen.representations.tabular import ContinuousCodes
from morphogen.training.loop import train


def write_csv(name: str, path: Path) -> str:
    table = getattr(datasets, f"load_{name}")()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*map(str, table.feature_names), "kind"])
        writer.writerows(
            [*row.tolist(), str(table.target_names[label])]
            for row, label in zip(table.data, table.target, strict=True)
        )
    return str(path)


def bits(model: Model, part) -> float:
    batch = part.first()
    return (
        model.log_prob(batch.medium, batch.condition if model.conditioner is not None else None)
        .bits_per_dim.mean()
        .item()
    )


@pytest.fixture(params=["iris", "wine", "breast_cancer"])
def name(request) -> str:
    return request.param


def test_the_mixture_beats_independent_columns(name, tmp_path):
    data = load_data(write_csv(name, tmp_path / "t.csv"))
    columns = Model(
        Mixture(1, (len(data.representation.columns),), covariance="diagonal"),
        ContinuousCodes(data.representation),
        plan=Plan(SGD(0.0), batch=0),
    )
    train(columns, data.train, steps=1)
    mixture = build_system("table_mixture", data.representation)
    train(mixture, data.train, steps=12)
    assert bits(mixture, data.test) < bits(columns, data.test) - 0.1


@pytest.mark.parametrize("condition", [None, "kind"])
def test_the_flow_beats_independent_columns(condition, tmp_path):
    data = load_data(write_csv("iris", tmp_path / "t.csv"), condition=condition)
    columns = Model(
        Mixture(1, (len(data.representation.columns),), covariance="diagonal"),
        ContinuousCodes(data.representation),
        plan=Plan(SGD(0.0), batch=0),
    )
    train(columns, data.train, steps=1)
    torch.manual_seed(0)
    flow = build_system("table_flow", data.representation, data.conditions, "tiny")
    train(flow, data.train, steps=120)
    batch = data.test.first()
    likelihood = flow.log_prob(batch.medium, batch.condition)
    assert (likelihood.kind, likelihood.measure) == ("lower_bound", "mass")
    assert bits(flow, data.test) < bits(columns, data.test) - 0.1


def test_class_conditional_samples_are_saved_as_csv(tmp_path):
    data = load_data(write_csv("iris", tmp_path / "t.csv"), condition="kind")
    model = build_system("table_mixture", data.representation, data.conditions)
    train(model, data.train, steps=12)
    samples = model.sample(200, condition="setosa")
    assert samples.save(tmp_path / "out") == [tmp_path / "out/samples.csv"]
    rows = list(csv.DictReader((tmp_path / "out/samples.csv").open()))
    record = json.loads((tmp_path / "out/samples.json").read_text())
    assert len(rows) == 200 and record["condition"] == {"label": [0] * 200}
    sample_mean = sum(float(row["petal length (cm)"]) for row in rows) / 200
    batch = data.train.first()
    assert sample_mean == pytest.approx(
        batch.medium[batch.condition["label"] == 0, 2].mean().item(), abs=0.3
    )  # setosa; the mean over all classes is 3.8
