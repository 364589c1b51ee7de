"""Shapes and trends of tables equal those of SDMetrics to 1e-6, on penguins, diamonds and flights."""

import warnings

import numpy as np
import pandas as pd
import pytest

from morphogen.evaluation.tables.cells import cells_of
from morphogen.evaluation.tables.column_shapes import column_shapes
from morphogen.evaluation.tables.halved import Halved
from morphogen.evaluation.tables.pair_trends import pair_trends
from real_tables import diamonds, flights, independent, penguins

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sdmetrics = pytest.importorskip("sdmetrics")
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
    from sdmetrics.reports.single_table import QualityReport
    from sdmetrics.single_column import KSComplement, MissingValueSimilarity, TVComplement

pytestmark = pytest.mark.filterwarnings("ignore")
TABLES = {
    "penguins": (lambda: penguins().assign(sex=lambda t: t["sex"].astype(object)), ["sex", "bill_depth_mm"]),
    "diamonds": (lambda: diamonds().sample(2000, random_state=0), ["color", "z"]),
    "flights": (lambda: flights().sample(2400, random_state=0).drop(columns="tailnum"), ["dest", "arr_time"]),
}


@pytest.fixture(params=TABLES, scope="module")
def tables(request: pytest.FixtureRequest) -> tuple:
    """A real table, and one of which some columns are wrong; with the figures of both sides."""
    load, wrong = TABLES[request.param]
    table = load()
    real, synthetic = table.iloc[::2], independent(table.iloc[1::2], wrong)
    synthetic = synthetic.assign(**{wrong[0]: synthetic[wrong[0]].where(np.arange(len(synthetic)) % 7 > 0)})
    cells = cells_of({"real": real, "synthetic": synthetic})
    halved = Halved.of(cells["real"], 0, "real"), Halved.of(cells["synthetic"], 0, "synthetic")
    return real, synthetic, column_shapes(halved)[0], pair_trends(halved)[0]


def test_columns_equal_those_of_sdmetrics(tables: tuple) -> None:
    real, synthetic, shapes, _ = tables
    for name, figures in shapes.columns.items():
        metric = KSComplement if figures["kind"] == "number" else TVComplement
        expected = metric.compute(real[name], synthetic[name])
        assert figures["shape"]["value"] == pytest.approx(expected, abs=1e-6), name
        rates = figures["missing"]["value"], figures["missing_real"]["value"]
        similarity = MissingValueSimilarity.compute(real[name], synthetic[name])
        assert 1 - abs(rates[0] - rates[1]) == pytest.approx(similarity, abs=1e-6)


def test_pairs_equal_those_of_sdmetrics(tables: tuple) -> None:
    real, synthetic, shapes, trends = tables
    compared = 0
    for pair in trends.pairs:
        names = pair["columns"]
        numbers = [name for name in names if shapes.columns[name]["kind"] == "number"]
        sides = _numeric(real[names], numbers), _numeric(synthetic[names], numbers)
        if pair["measure"] == "contingency":
            expected = ContingencySimilarity.compute(*sides, continuous_column_names=numbers)
        elif pair["score"] is None:  # SDMetrics refuses a constant column
            assert any(side[name].nunique() < 2 for side in sides for name in names)
            continue
        else:
            expected = CorrelationSimilarity.compute(*sides)
        assert pair["score"]["value"] == pytest.approx(expected, abs=1e-6), names
        compared += 1
    assert compared >= 28


def test_scores_equal_those_of_the_quality_report(tables: tuple) -> None:
    real, synthetic, shapes, trends = tables
    kinds = {"number": "numerical", "category": "categorical"}
    types = {name: {"sdtype": kinds[figures["kind"]]} for name, figures in shapes.columns.items()}
    dates = [name for name in real if pd.api.types.is_datetime64_any_dtype(real[name])]
    report = QualityReport()
    report.generate(_numeric(real, dates), _numeric(synthetic, dates), {"columns": types}, verbose=False)
    scores = dict(report.get_properties().itertuples(index=False))
    assert shapes.score["value"] == pytest.approx(scores["Column Shapes"], abs=1e-6)
    assert trends.score_dependent["value"] == pytest.approx(scores["Column Pair Trends"], abs=1e-6)
    assert abs(trends.score["value"] - trends.score_dependent["value"]) > 1e-3  # they are different averages


def _numeric(table: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """The table with dates as seconds: SDMetrics cannot bin dates."""
    dates = [name for name in numbers if pd.api.types.is_datetime64_any_dtype(table[name])]
    return table.assign(**{name: table[name].dt.as_unit("ns").astype("int64") / 1e9 for name in dates})
