"""The recipe of densities of tables: kinds of likelihood, usefulness, and records that can be built again."""

import pytest

from morphogen.component import ConfigError
from morphogen.recipes import records
from morphogen.recipes import table_densities as recipe


@pytest.mark.slow
def test_the_record_has_a_figure_per_model_and_table(monkeypatch) -> None:
    monkeypatch.setattr(recipe, "SAMPLES", 100)
    names = "gaussian", "table_mixture", "maf", "table_gan"
    record = recipe.table_densities(("wine",), names, budget=0.3)
    assert list(record["figures"]) == [f"{name}, wine" for name in names]
    for name in names[:3]:
        figure = record["figures"][f"{name}, wine"]
        assert figure["likelihood"]["kind"] == "lower_bound" and figure["usefulness"]
        assert set(figure["usefulness"]) == set(figure["usefulness_of_real_rows"])
    assert record["figures"]["table_gan, wine"]["likelihood"] is None
    assert (
        list(record["models"]) == ["maf, wine"]
        and records.outdated(record) == []
        and record["unit"] == "bits/cell"
    )


LARGE = "diamonds", "ames"  # whose duplicates take long to find


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in recipe.TABLES]
)
def test_tables_come_with_packages(name: str) -> None:
    data = recipe.load_table(name)
    assert len(data.train) > 100 and data.representation.columns


def test_another_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="no table is named 'iris'"):
        recipe.load_table("iris")
