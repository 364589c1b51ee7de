"""Samples of a model: the drawn medium, its conditions and settings, and how they are saved and previewed."""

__all__ = ["Samples"]

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.contract import Representation
from morphogen.files import naming, write_json
from morphogen.rank import ALONE, Rank
from morphogen.representations.audio import Waveform
from morphogen.representations.stamp import stamp


@dataclass(frozen=True)
class Samples:
    """Samples: the medium as a tensor [N, ...], the condition of each row, and the sampling settings."""

    tensor: Shaped[Tensor, "n ..."]
    condition: Shaped[Tensor, "n ..."] | None
    representation: Representation
    settings: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tensor)

    def decode(self) -> list[Any]:
        """The samples as Python objects: PIL images, strings, ..."""
        return self.representation.present(self.tensor)

    def to_displayable(self) -> list[Any]:
        """The samples as images or strings: table rows as text, sounds as spectrograms."""
        return [_shown(row) for row in self.decode()]

    @property
    def record(self) -> dict[str, Any]:
        """The sampling settings and the condition of each sample."""
        return self.settings | {"condition": None if self.condition is None else self.condition.tolist()}

    def save(self, directory: str | Path, rank: Rank = ALONE) -> list[Path]:
        """Save each sample in its natural format, named by its index, and the settings in samples.json.

        Rows of a table are saved as samples.csv. A picture stores its settings under the PNG key "morphogen"
        (`representations.stamp`). Several ranks that hold the same samples divide the files among them;
        samples.json is written last. Returns the paths of the samples.

        Arguments:
            directory: where to write; it is created if missing.
            rank: of this process.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        samples, indices = self.decode(), self.settings.get("indices", range(len(self)))
        if isinstance(samples[0], Mapping):
            paths = [folder / "samples.csv"]
            rank.once(lambda: _write_table(paths[0], samples))
        else:
            paths = [
                folder / f"{i:04d}.{_suffix(sample)}" for i, sample in zip(indices, samples, strict=True)
            ]
            for row in rank.shard(torch.arange(len(self))).tolist():
                self._write(paths[row], samples[row], row)
        rank.once(lambda: write_json(folder / "samples.json", self.record))
        return paths

    def _write(self, path: Path, sample: Any, row: int) -> None:
        """Save one picture, text or sound."""
        with naming(path):  # adds the path to errors such as a full disk
            if isinstance(sample, str):
                path.write_text(sample, encoding="utf8")
            elif isinstance(sample, Waveform):
                sample.save(path)
            else:
                sample.save(path, pnginfo=stamp(self._made(row)))

    def _made(self, row: int) -> dict[str, Any]:
        """The settings of one sample."""
        made = {key: value for key, value in self.settings.items() if key != "indices"}
        condition = None if self.condition is None else self.condition[row].tolist()
        return made | {"index": self.settings.get("indices", range(len(self)))[row], "condition": condition}


def _suffix(sample: Any) -> str:
    """File name suffix of a sample."""
    return "txt" if isinstance(sample, str) else "wav" if isinstance(sample, Waveform) else "png"


def _shown(sample: Any) -> Any:
    """A sample as an image or a string."""
    if isinstance(sample, Waveform):
        return sample.spectrogram()
    return (
        ", ".join(f"{name} {value}" for name, value in sample.items())
        if isinstance(sample, Mapping)
        else sample
    )


def _write_table(path: Path, rows: list[Mapping[str, Any]]) -> None:
    """Write rows of a table as CSV with a header."""
    with naming(path), path.open("w", encoding="utf8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
