"""Tables: float64 [B, D] rows, categories as indices; shown as text and saved together as one CSV file."""

__all__ = ["TABLE", "TableMedium"]

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from morphogen.component import ConfigError
from morphogen.lazy import lazy
from morphogen.media import Medium, ReadingOptions

RECORDS = (".jsonl", ".ndjson")  # files of JSON objects, one per line


class TableMedium(Medium):
    """Rows of a table: mappings from the name of a column to its value."""

    name = "table"
    element = "cell"
    suffix = "csv"
    suffixes = (".csv", ".tsv", ".tab", ".parquet", ".xlsx", ".xls", ".ods")
    has_class_column = True
    features = lazy("evaluation.features.column_features")
    measure = lazy("report.synthetic_table.measure_table")
    holds = lazy("data.table_frames.holds_table")
    collect = lazy("data.table_frames.collect_table")
    read_file = lazy("data.table.load_table")
    few = 200
    few_to_fit = 1000  # a mixture is better on small tables, up to more rows than the warning
    goals: ClassVar = {
        "quality": ("table_flow", "table_mixture"),
        "likelihood": ("table_flow", "table_mixture"),
        "speed": ("table_mixture",),
        "few": ("table_mixture",),
    }

    def file_name(self, index: int) -> str:
        return f"samples.{self.suffix}"

    def save(self, path: Path, samples: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> None:
        with path.open("w", encoding="utf8", newline="") as file:
            table = csv.DictWriter(file, list(samples[0]))
            table.writeheader()
            table.writerows(samples)

    def preview(self, sample: Mapping[str, Any]) -> str:
        return ", ".join(f"{name} {value}" for name, value in sample.items())

    def confidence(self, path: Path) -> float:
        """By its suffix, but a file of this suffix may hold texts, which its content shows."""
        if path.is_dir():
            return super().confidence(path)
        return 0.6 if path.suffix.lower() in RECORDS else 0.9 * super().confidence(path)

    def read(self, path: Path, options: ReadingOptions) -> Any:
        return self.read_file(path, options.condition, options.table)

    def check_comparable(self, model: Any, data: Any) -> None:
        """Errors: ConfigError for a model of other columns, or of other categories in one of them."""
        names = [[column.name for column in table.columns] for table in (model, data)]
        if names[0] != names[1]:
            raise ConfigError(
                f"the columns are {', '.join(names[1])}; the model is for {', '.join(names[0])}"
            )
        for own, other in zip(model.columns, data.columns, strict=True):
            if getattr(own, "levels", None) != getattr(other, "levels", None):
                raise ConfigError(f"column {own.name!r} has other categories than that of the model")

    def describe(self, data: Any) -> tuple[str, str, int]:
        columns = data.representation.columns
        discrete = sum(column.step > 0 for column in columns)
        levels = f"{discrete} discrete (grid or categories), {len(columns) - discrete} real"
        return f"{len(columns)} columns", levels, super().describe(data)[2]

    def check_same_values(self, model: Any, data: Any) -> None:
        """Errors: ConfigError unless the columns have the same names, kinds and categories, in order."""

        def kinds(representation: Any) -> list[tuple[Any, ...]]:
            columns = representation.columns
            return [(c.name, type(c).__name__, getattr(c, "levels", None)) for c in columns]

        for known, given in zip_longest(kinds(model), kinds(data)):
            if known != given:
                raise ConfigError(f"the model has the column {known}, the data have {given}")

    def conditions(self, data: Any) -> Iterable[str]:
        for column in data.representation.columns:
            if values := column.class_values():
                yield f'--condition "{column.name}": {values}'

    def warnings(self, data: Any, device: str) -> Iterator[str]:
        """Real columns with an atom, where a density is unbounded."""
        for j, column in enumerate(data.representation.columns):
            value, times = Counter(data.train.values[:, j].tolist()).most_common(1)[0]
            if column.step == 0 and times > 0.1 * len(data.train):
                fraction = times / len(data.train)
                yield (
                    f"column {column.name!r} is {value:g} in {fraction:.0%} of the rows: "
                    "its density is unbounded there; round the column"
                )


TABLE = TableMedium()
