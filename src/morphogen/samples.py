"""Samples of a model: the drawn medium, its conditions and settings, and how they are saved and previewed."""

__all__ = ["Samples", "foreign_file", "with_own_condition"]

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.caption import CAPTION, caption_texts
from morphogen.contract import Representation
from morphogen.files import write_json
from morphogen.lazy import lazy
from morphogen.media import Medium, names_a_file
from morphogen.numerics.trees import Tree, index, leaves, length, tree_map
from morphogen.other_words import other_word
from morphogen.rank import ALONE, Rank
from morphogen.wrong_calls import WrongCall

RECORD = "samples.json"


@dataclass(frozen=True, repr=False)
class Samples(Sequence[Any]):
    """The drawn medium, [N, ...] or several such tensors by name, conditions of each row, and settings."""

    medium_at = "samples.tensor", "with samples.condition"
    draw = lazy("evaluation.sheet.sheet")

    tensor: Tree
    condition: Mapping[str, Tree]
    representation: Representation
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def captions(self) -> list[str]:
        """The texts of which the samples were drawn. Errors: AttributeError for a model without captions."""
        if CAPTION not in self.condition:
            raise AttributeError("the samples have no captions")
        return caption_texts(self.condition[CAPTION])

    def __len__(self) -> int:
        return length(self.tensor)

    def __getitem__(self, rows: Any) -> Any:
        """One sample as a Python object, as `decode` has it; of a slice or several numbers, Samples.

        Errors: IndexError for a number beyond the samples; WrongCall for other values.
        """
        if isinstance(rows, str):
            raise WrongCall(
                f"samples[{rows!r}]: give the number of a sample; write samples.condition[{rows!r}]"
            )
        numbers = torch.arange(len(self))
        try:
            chosen = numbers[rows if isinstance(rows, slice) else torch.as_tensor(rows)]
        except IndexError:
            last = f"0 to {len(self) - 1}" if len(self) else "none"
            raise IndexError(f"samples[{rows!r:.40}]: there are {len(self)} samples, {last}") from None
        if not chosen.ndim:
            return self[int(chosen) : int(chosen) + 1].decode()[0]
        settings = self.settings | {"indices": [self.indices[row] for row in chosen.tolist()]}
        tensor, condition = index(self.tensor, chosen), index(self.condition, chosen)
        return replace(self, tensor=tensor, condition=condition, settings=settings)

    def __iter__(self) -> Iterator[Any]:
        """The samples one by one, as `decode` has them."""
        return iter(self.decode())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The tensor as an array. Errors: WrongCall for several tensors."""
        array = _only(self.tensor).detach().cpu().numpy()
        return array.astype(dtype) if dtype is not None else array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        """The tensor as `torch.as_tensor` and other libraries read it. Errors: WrongCall for several."""
        return _only(self.tensor).detach().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Any, int]:
        """The device of the tensor. Errors: WrongCall for several."""
        return _only(self.tensor).__dlpack_device__()

    def __getattr__(self, name: str) -> Any:
        """Errors: UnknownAttribute for what another library has; AttributeError."""
        missing = AttributeError(f"Samples has no attribute {name!r}")
        if name.startswith("__") or name in self.__dataclass_fields__:  # of a copy that is being made
            raise missing
        of_sounds = other_word("sounds", name) if hasattr(self.representation, "rate") else None
        of_captions = other_word("samples of captions", name) if CAPTION in self.condition else None
        raise of_sounds or of_captions or other_word("samples", name) or missing

    def __repr__(self) -> str:
        shapes = ", ".join(str(list(leaf.shape)) for leaf in leaves(self.tensor))
        named = f", conditions {', '.join(self.condition)}" if self.condition else ""
        return f"Samples({len(self)} of {self.representation.medium}, {shapes}{named})"

    def decode(self) -> list[Any]:
        """The samples as Python objects: PIL images, strings, rows of `frame` as {column: value}, ..."""
        return self.representation.medium.objects(self)

    def to_displayable(self) -> list[Any]:
        """The samples as images or strings: sounds as spectrograms, the first rows of a table as one."""
        return self.representation.medium.displayable(self)

    def sheet(self, columns: int = 20) -> Image.Image:
        """The samples as one picture, `columns` of them in a line; sounds as spectrograms."""
        drawn: Image.Image = self.draw({"": self}, columns)
        return drawn

    @property
    def rate(self) -> int:
        """Samples per second of sounds. Errors: AttributeError for another medium."""
        source: Any = self.representation.source
        rate: int = source.rate
        return rate

    def frame(self) -> Any:
        """Rows of a table as a DataFrame: the columns of the data, their order and dtypes, and the class.

        Errors: ConfigError for another medium.
        """
        return self.representation.medium.frame(self)

    @property
    def record(self) -> dict[str, Any]:
        """The sampling settings and the condition of each sample."""
        return self.settings | {"condition": tree_map(Tensor.tolist, self.condition)}

    def save(self, directory: str | Path, rank: Rank = ALONE, others: Sequence[str] = ()) -> list[Path]:
        """Save each sample in its natural format, named by its index, and the settings in samples.json.

        Rows of a table are saved as samples.csv. A picture stores its settings under the PNG key "morphogen"
        (`media.pictures.stamp`). Several ranks that hold the same samples divide the files among them;
        samples.json is written first and last. Files of the samples that were saved there before are
        removed, and those of anyone else are never replaced. Returns the paths of the samples.

        Arguments:
            directory: where to write; it is created if missing.
            rank: of this process.
            others: names of further files that the caller writes there, and checks.

        Errors: ConfigError for the name of a file, and for a folder with a file of someone else of that name.
        """
        folder, medium = Path(directory).expanduser(), self.representation.medium
        if names_a_file(folder):
            name = str(folder.with_suffix(""))
            raise ConfigError(
                f"samples.save({str(directory)!r}): a folder is written, not a file: write "
                f"samples.save({name!r}), or a file of samples.frame() or samples[0] yourself"
            )
        folder.mkdir(parents=True, exist_ok=True)
        rank.once(lambda: _claim(self, folder, {*map(medium.file_name, self.indices)}, others))
        paths = medium.write(folder, self, rank)
        rank.once(lambda: _list(self, folder, [*(path.name for path in paths), *others]))
        return paths

    @property
    def indices(self) -> Sequence[int]:
        """The index of each sample."""
        return self.settings.get("indices", range(len(self)))

    def made(self, row: int) -> dict[str, Any]:
        """The settings of one sample."""
        made = {key: value for key, value in self.settings.items() if key != "indices"}
        condition = tree_map(lambda leaf: leaf[row].tolist(), self.condition)
        return made | {"index": self.indices[row], "condition": condition}


def with_own_condition(given: Any, condition: Any, conditioner: Any) -> tuple[Any, Any]:
    """The medium of samples with their own condition, unless another is given; anything else as it is.

    Arguments:
        given: samples, or a medium.
        condition: of its rows; None: not given.
        conditioner: of the model that takes them; None: it takes no condition.
    """
    if not isinstance(given, Samples):
        return given, condition
    return given.tensor, given.condition if condition is None and conditioner is not None else condition


def foreign_file(folder: Path, names: Iterable[str], medium: Medium) -> Path | None:
    """The first file that samples would replace and that is of someone else; None: there is none.

    Arguments:
        folder: where samples are to be saved.
        names: of their files.
        medium: of the samples.
    """
    if (listed := _listed(folder / RECORD, medium)) is None:
        return folder / RECORD
    return next((folder / name for name in names if name not in listed and (folder / name).exists()), None)


def _only(tensor: Tree) -> Tensor:
    """The tensor of samples. Errors: WrongCall for several."""
    if isinstance(tensor, Tensor):
        return tensor
    raise WrongCall(f"samples have several tensors: write samples.tensor[{next(iter(tensor))!r}]")


def _claim(samples: Samples, folder: Path, names: set[str], others: Sequence[str]) -> None:
    """List the files to come in samples.json, so that what an interruption leaves is known as ours.

    Arguments:
        samples: the samples.
        folder: where they will be.
        names: of their files.
        others: files of the caller, who may have written them.

    Errors: ConfigError for a file of someone else.
    """
    medium = samples.representation.medium
    if (found := foreign_file(folder, sorted(names), medium)) is not None:
        inside = str(folder / "samples")
        raise ConfigError(
            f"samples.save({str(folder)!r}): {found} is not of samples saved before, and is kept: "
            f"write samples.save({inside!r})"
        )
    former = _listed(folder / RECORD, medium) or set()
    write_json(folder / RECORD, samples.record | {"files": sorted(former.union(names, others))})


def _list(samples: Samples, folder: Path, names: list[str]) -> None:
    """Write samples.json, and remove the files that the one before it lists and this one does not."""
    for name in (_listed(folder / RECORD, samples.representation.medium) or set()) - set(names):
        if Path(name).name == name and (folder / name).is_file():
            (folder / name).unlink()
    write_json(folder / RECORD, samples.record | {"files": names})


def _listed(file: Path, medium: Medium) -> set[str] | None:
    """The names of the files that a samples.json lists; None: it is of someone else.

    One of an earlier version lists the indices.
    """
    try:
        record = json.loads(file.read_text(encoding="utf8"))
        names = record.get("files") or [medium.file_name(index) for index in record["indices"]]
        return {name for name in names if isinstance(name, str)}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
