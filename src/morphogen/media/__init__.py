"""Media: what a user has (pictures, text, tables, sound), one class each, in a module of its own.

A representation names its medium, and everything above asks it: how an example is saved and previewed, what
it is measured by, how its files are recognised and read, and which systems are recommended.

    from morphogen.media.sound import SOUND     # each module holds one medium, under its own name
    Samples.save       -> representation.medium.save(path, samples, records)
    features_for(data) -> representation.medium.features(data)
    load_data(path)    -> the medium in `media()` whose `confidence(path)` is the largest

A medium is below the data and the metrics that it refers to: it names them by `lazy`, which imports them on
first use.
"""

__all__ = ["Medium", "ReadingOptions", "is_text", "media", "names_a_file"]

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from PIL import Image

from morphogen.component import ConfigError, to_config
from morphogen.files import naming
from morphogen.lazy import lazy

OTHER_FILES = (
    ".json",
    ".html",
    ".zip",
    ".mp3",
    ".flac",
    ".mp4",
    ".pdf",
    ".npy",
    ".npz",
    ".pt",
    ".safetensors",
)


class ReadingOptions(NamedTuple):
    """The options of `load_data` that reach the reader of a medium; None: the reader's default."""

    resolution: int | None = None
    length: int | None = None
    condition: str | None = None
    table: Mapping[str, str] | None = None
    rate: int | None = None
    levels: int | None = None


class Medium(ABC):
    """A medium. The module of a medium has one instance, under the module's name in capitals.

    Attributes:
        name: as in `Dataset.medium`, `morphogen systems` and reports.
        unit: likelihoods are reported in bits/unit.
        element: what one dimension is, in words.
        suffix: of the file of a sample.
        files_of_many: suffixes of files that hold any number of samples, not one (see `write_file`).
        shown: samples in a row of a sheet, where there are no classes.
        suffixes: of the files that it is read from.
        has_class_folders: whether the sub-folders of a folder are classes.
        computed_conditions: conditions that can be computed from the examples themselves, such as "sketch".
        has_class_column: whether a column, named by the condition, can hold the classes.
        features: data set -> the default `Features`.
        corruptions: examples, representation, `Rng` -> what must not look like them, by name.
        statistics: samples, data set -> figures that need no features, by key.
        codecs: data set, rows of its test part -> rows of a report, one per lossless codec.
        measure: samples, their conditions, data set, seed -> further values of its row in the report.
        holds: examples in memory, options -> how certainly they are of this medium, as `confidence`.
        given: examples in memory to train a model, its representation -> as `load_data` takes them.
        collect: name, parts of the split as `data.memory.Held`, options -> as `read`.
        few: training examples (see `amount`) below which figures are uncertain.
        few_to_fit: training examples below which a system for few data is recommended; None: `few`.
        memorisable: training examples below which a long training can memorise them; 0: not known.
        goals: systems recommended for each goal, the best first.
        representatives: systems that are compared by default; (): all of the medium.
    """

    name: ClassVar[str]
    unit, element = "dim", "value"
    suffix: ClassVar[str]
    files_of_many: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[int] = 20
    suffixes: ClassVar[tuple[str, ...]] = ()
    has_class_folders: ClassVar[bool] = False
    computed_conditions: ClassVar[tuple[str, ...]] = ()
    has_class_column: ClassVar[bool] = False
    features: ClassVar[Any] = lazy("evaluation.features.column_features")
    corruptions: ClassVar[Any] = lazy("evaluation.corruptions.column_corruptions")
    statistics: ClassVar[Any] = lazy("evaluation.ngrams.no_statistics")
    codecs: ClassVar[Any] = lazy("evaluation.codecs.no_codecs")
    measure: ClassVar[Any] = lazy("evaluation.medium_quality.no_medium_quality")
    holds: ClassVar[Any] = lazy("data.memory.holds_nothing")
    collect: ClassVar[Any] = lazy("data.memory.collect_nothing")
    given: ClassVar[Any] = lazy("data.memory.as_given")
    visible_files: ClassVar[Any] = lazy("data.walk.visible_files")
    few: ClassVar[int] = 200
    few_to_fit: ClassVar[int | None] = None
    memorisable: ClassVar[int] = 0
    goals: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    representatives: ClassVar[tuple[str, ...]] = ()

    def __str__(self) -> str:
        return self.name

    def file_name(self, index: int) -> str:
        """Name of the file of a sample; samples with the same file name are saved in one file."""
        return f"{index:04d}.{self.suffix}"

    def objects(self, samples: Any) -> list[Any]:
        """Samples as Python objects, as their representation presents them."""
        presented: list[Any] = samples.representation.present(samples.tensor)
        return presented

    def write(self, folder: Path, samples: Any, rank: Any) -> list[Path]:
        """Write `Samples` into files of their medium in an existing folder; ranks divide the files."""
        presented = samples.decode()
        rows_of: dict[Path, list[int]] = {}  # by file
        for row, index in enumerate(samples.indices):
            rows_of.setdefault(folder / self.file_name(index), []).append(row)
        paths = list(rows_of)
        for i in rank.shard(torch.arange(len(paths))).tolist():
            rows = rows_of[paths[i]]
            with naming(paths[i]):  # adds the path to errors such as a full disk
                self.save(paths[i], [presented[row] for row in rows], [samples.made(row) for row in rows])
        return paths

    def write_file(self, path: Path, samples: Any) -> None:
        """Write samples into one file: one sample, or any number if its suffix is in `files_of_many`."""
        with naming(path):
            self.save(path, samples.decode(), [samples.made(0)])

    def displayable(self, samples: Any) -> list[Image.Image | str]:
        """Samples as pictures or texts: a preview of each."""
        return [self.preview(sample) for sample in samples.decode()]

    def lines(self, samples: Any, shown: Sequence[Image.Image | str]) -> str:
        """What a terminal shows of samples, given also as `displayable` has them; "": nothing."""
        return "\n---\n".join(map(str, shown[:4])) if is_text(shown) else ""

    def frame(self, samples: Any) -> Any:
        """Samples as a DataFrame. Errors: ConfigError for a medium that is no table."""
        raise ConfigError(f"samples of {self} are no table: use samples.decode()")

    @abstractmethod
    def save(self, path: Path, samples: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> None:
        """Write the samples of one file, each with the settings that produced it."""

    @abstractmethod
    def preview(self, sample: Any) -> Image.Image | str:
        """The sample as a picture or a text that a sheet, a report and a terminal can show."""

    def confidence(self, path: Path) -> float:
        """How certainly a file holds this medium, or the fraction of the files of a folder that do.

        1: certainly, 0: not, 0.5: for want of another. By default a file is known by its suffix.
        """
        files = self.visible_files(path) if path.is_dir() else [path]
        return sum(file.suffix.lower() in self.suffixes for file in files) / max(1, len(files))

    @abstractmethod
    def read(self, path: Path, options: ReadingOptions) -> Any:
        """Read a file or a folder: a `Dataset`, or a corpus to be tokenized. Errors: DataError."""

    def reading(self, representation: Any) -> Mapping[str, Any]:
        """The options of `load_data` that read data for a model of this representation."""
        return {}

    def describe(self, data: Any) -> tuple[str, str, int]:
        """Shape of an example in words, levels of an element in words, and bytes in memory, of a data set."""
        shape = " x ".join(map(str, data.representation.shape))
        parts = (data.train, data.valid, data.test)
        stored = sum(tensor.nbytes for part in parts for tensor in part.contents())
        return f"{shape} values", "discrete" if data.representation.medium_discrete else "real", stored

    def conditions(self, data: Any) -> Iterable[str]:
        """What samples can be conditioned on besides the classes of the data, one line each."""
        return ()

    def amount(self, data: Any) -> tuple[int, str]:
        """How much training data there is, and its unit in words, to be compared with `few`."""
        return len(data.train), "training examples"

    def warnings(self, data: Any, device: str) -> Iterator[str]:
        """Warnings about a data set that are specific to the medium, one line each."""
        return iter(())

    def units_per_sample(self, representation: Any, samples: Any) -> float | None:
        """Mean number of units per sample, where it varies; None where it does not."""
        return None

    def check_same_values(self, model: Any, data: Any) -> None:
        """Check that a model can be trained on data of another representation. Errors: ConfigError."""
        if to_config(model) != to_config(data):
            raise ConfigError(f"the model has {model!r}, the data have {data!r}")

    def check_comparable(self, model: Any, data: Any) -> None:
        """Check that likelihoods under two representations compare. Errors: ConfigError."""


@cache
def media() -> Mapping[str, Medium]:
    """All media by name, read from the modules of this package."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name: getattr(import_module(f"morphogen.media.{name}"), name.upper()) for name in names}


def names_a_file(path: Path) -> bool:
    """Whether a path is meant to be a file of samples, by its suffix; that of samples.v2 is none."""
    own = {suffix for medium in media().values() for suffix in (*medium.suffixes, f".{medium.suffix}")}
    return not path.is_dir() and path.suffix.lower() in own.union(OTHER_FILES)


def is_text(previews: Iterable[Image.Image | str]) -> bool:
    """Whether previews are texts rather than pictures."""
    return any(isinstance(preview, str) for preview in previews)
