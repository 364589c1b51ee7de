"""Tables: float64 [B, D] rows, categories as indices, NaN where a cell is missing; saved as one CSV file."""

__all__ = ["TABLE", "TableMedium"]

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.files import naming
from morphogen.lazy import lazy
from morphogen.media import Medium, ReadingOptions

if TYPE_CHECKING:
    from pandas import DataFrame

DELIMITED = (".csv", ".tsv", ".tab")
RECORDS = (".jsonl", ".ndjson")  # files of JSON objects, one per line
LEAST = 0.25  # confidence in a text whose lines are rows, less than that in text
SAMPLE = 200  # files by which a folder is recognised


class TableMedium(Medium):
    """Rows of a table: mappings from the name of a column to its value."""

    name, element, suffix = "table", "cell", "csv"
    suffixes = (".csv", ".tsv", ".tab", ".parquet", ".xlsx", ".xlsm", ".xls", ".ods")
    has_class_column = True
    representatives = ("table_mixture", "table_transformer", "table_vae", "table_flow", "table_gan")
    features = lazy("evaluation.features.column_features")
    picture = lazy("evaluation.table_preview.picture")
    aligned = lazy("evaluation.table_preview.aligned")
    measure = lazy("report.synthetic_table.measure_table")
    holds = lazy("data.table_frames.holds_table")
    collect = lazy("data.table_frames.collect_table")
    given = lazy("data.table_frames.table_for")
    read_file = lazy("data.table.load_table")
    holds_json_rows = lazy("data.recognition.holds_json_rows")
    holds_rows_of_text = lazy("data.recognition.holds_rows_of_text")
    holds_rows = lazy("data.recognition.holds_rows")
    csv_format = lazy("representations.tabular.csv_format.CsvFormat")
    require_openpyxl = lazy("data.workbook.require_openpyxl")
    files_of_many = (*DELIMITED, ".parquet", ".xlsx", ".json", *RECORDS)
    few = 200
    few_to_fit = 1000  # a mixture is better on small tables, up to more rows than the warning
    goals: ClassVar = {
        "quality": ("table_transformer", "table_mixture"),
        "likelihood": ("table_transformer", "table_mixture"),
        "speed": ("table_mixture",),
        "few": ("table_mixture",),
    }

    def file_name(self, index: int) -> str:
        return f"samples.{self.suffix}"

    def write(self, folder: Path, samples: Any, rank: Any) -> list[Path]:
        """One CSV file, in the format of the data and with the text that missing cells have there."""
        path = folder / self.file_name(0)
        rank.once(lambda: self.write_file(path, samples))
        return [path]

    def write_file(self, path: Path, samples: Any) -> None:
        table = samples.representation.source
        if path.suffix.lower() not in DELIMITED:
            self.save_frame(path, self.frame(samples))
            return
        frame = table.frame(samples.tensor, samples.condition.get("label"), plain=True)
        for column in table.columns:
            if column.marker and (missing := frame[column.name].isna()).any():
                frame[column.name] = frame[column.name].astype(object).mask(missing, column.marker)
        self.save_frame(path, frame, table.csv)

    def save(self, path: Path, samples: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> None:
        from pandas import DataFrame

        self.save_frame(path, DataFrame(list(samples)))

    def frame(self, samples: Any) -> "DataFrame":
        """The rows, with the dtypes of the data and the class of each."""
        return samples.representation.source.frame(samples.tensor, samples.condition.get("label"))

    def objects(self, samples: Any) -> Any:
        """The rows of `frame` as {column: value}, None where a cell is missing."""
        frame = self.frame(samples).astype(object)
        return frame.where(frame.notna(), None).to_dict("records")

    def displayable(self, samples: Any) -> list[Image.Image | str]:
        """One picture of the first rows."""
        return [self.picture(self._first(samples, 20), len(samples))]

    def lines(self, samples: Any, shown: Sequence[Image.Image | str]) -> str:
        """The first rows, aligned."""
        return self.aligned(self._first(samples, 6), len(samples))

    def _first(self, samples: Any, rows: int) -> "DataFrame":
        label, table = samples.condition.get("label"), samples.representation.source
        return table.frame(samples.tensor[:rows], None if label is None else label[:rows], plain=True)

    def save_frame(self, path: Path, frame: "DataFrame", csv: Any = None) -> None:
        """Write a table by the suffix of its file.

        Arguments:
            path: of the file; another suffix than those of `files_of_many` is CSV.
            frame: the table.
            csv: the `CsvFormat`; None: with commas and decimal points.
        """
        with naming(path):  # adds the path to errors such as a full disk
            match path.suffix.lower():
                case ".parquet":
                    frame.to_parquet(path, engine="pyarrow", index=False)
                case ".xlsx":
                    self.require_openpyxl(path)
                    frame.to_excel(path, index=False, engine="openpyxl")
                case ".json" | ".jsonl" | ".ndjson" as suffix:
                    frame.to_json(
                        path, orient="records", lines=suffix != ".json", date_format="iso", force_ascii=False
                    )
                case ".tsv" | ".tab":
                    (csv or self.csv_format()).with_separator("\t").write(path, frame)
                case _:
                    known = csv or self.csv_format()
                    comma = "," if known.separator == "\t" else known.separator  # tabs are for .tsv
                    known.with_separator(comma).write(path, frame)

    def preview(self, sample: Mapping[str, Any]) -> str:
        return ", ".join(f"{name} {value}" for name, value in sample.items())

    def confidence(self, path: Path) -> float:
        """By its suffix, but a file of this suffix may hold texts, and one of another a table."""
        if path.is_dir():
            sample = (files := self.visible_files(path))[:: 1 + len(files) // SAMPLE]
            return sum(map(self.holds_rows, sample)) / max(1, len(sample))
        if path.suffix.lower() in RECORDS or self.holds_json_rows(path):
            return 0.6
        return 0.9 * super().confidence(path) or LEAST * self.holds_rows_of_text(path)

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
                yield f"{option('condition', column.name)}: {values}"


TABLE = TableMedium()
