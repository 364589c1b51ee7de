"""What a comparison leaves on disk, after every row: each file is the old one or the new one at any moment, never half of it.

report.json           every figure with its interval, and what made it      report.html   the same for people
samples.safetensors   the shown samples, so that going on redraws nothing   samples.png   the same for people
"""

__all__ = ["FILES", "Record", "read_report"]

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from morphogen.data import Dataset
from morphogen.evaluation.sheet import sheet
from morphogen.files import naming, write_json, write_tensors
from morphogen.model import Samples
from morphogen.report import write_report
from morphogen.representations.stamp import stamp
from morphogen.run import RunError

FILES = ("report.json", "report.html", "samples.png", "samples.safetensors")


class Record:
    """The files of one comparison.

    Arguments:
        directory: where they lie; it is made.
        dataset: whose representation shows the samples.
    """

    def __init__(self, directory: Path, dataset: Dataset):
        self.directory, self.dataset = directory, dataset
        self.samples: dict[str, Tensor] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, report: Mapping[str, Any]) -> None:
        """Write everything anew; samples of rows that are gone go too."""
        names = [row["system"] for row in report["rows"]]
        self.samples = {name: self.samples[name] for name in names if name in self.samples}
        kept = self.directory / ".samples.safetensors.new"
        write_tensors(kept, self.samples)
        os.replace(kept, self.directory / "samples.safetensors")
        write_json(self.directory / "report.json", report)  # after the samples: no row without its own
        shown = {name: Samples(rows, None, self.dataset.representation).shown() for name, rows in self.samples.items()}
        write_report(report, shown, self.directory)
        facts = {key: report[key] for key in ("data", "systems", "budget", "n", "seed", "size", "versions")}
        part = self.directory / ".samples.png"
        with naming(part):
            sheet(shown).save(part, pnginfo=stamp(facts))
        os.replace(part, self.directory / "samples.png")

    def restore(self) -> None:
        """Take up the samples that were shown; a damaged file only leaves its rows without them."""
        try:
            self.samples = load_file(self.directory / "samples.safetensors")
        except (OSError, SafetensorError):
            self.samples = {}

    def set_aside(self, name: str) -> Path:
        """Copy the files as they are into a folder of that name, before something else takes their place."""
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        for file in FILES:
            if (self.directory / file).exists():
                shutil.copy2(self.directory / file, folder / file)
        return folder


def read_report(directory: Path) -> dict[str, Any]:
    """The report.json of a comparison. Errors: RunError where it is missing or damaged."""
    file = directory / "report.json"
    try:
        report = json.loads(file.read_text(encoding="utf8"))
    except FileNotFoundError:
        raise RunError(f"{directory} is no comparison: it holds no report.json; give a directory that `morphogen compare` made") from None
    except (ValueError, OSError) as error:
        raise RunError(
            f"{file} cannot be read ({str(error).splitlines()[0]}); its runs are whole: morphogen compare {directory}/*/"
        ) from None
    if not isinstance(report, dict) or not {"data", "rows", "systems", "settings", "n", "seed", "split"} <= report.keys():
        raise RunError(f"{file} is not of a comparison that can go on; its runs are whole: morphogen compare {directory}/*/")
    return report
