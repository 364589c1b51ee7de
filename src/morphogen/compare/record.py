"""Files of a comparison, rewritten after every row; each file is replaced as a whole.

report.json           all figures with intervals and settings     report.html   the same as a page
samples.safetensors   the shown samples, reused by `resume`       samples.png   the same as a picture
"""

__all__ = ["FILES", "Record", "read_report"]

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from morphogen.data import Dataset
from morphogen.evaluation.sheet import sheet
from morphogen.files import naming, write_json, write_tensors
from morphogen.media.pictures import stamp
from morphogen.report import write_report
from morphogen.run import RunError
from morphogen.samples import Samples

FILES = ("report.json", "report.html", "samples.png", "samples.safetensors")
REQUIRED = {"data", "rows", "systems", "settings", "n", "seed", "split"}  # keys of a report


class Record:
    """The files of one comparison.

    Arguments:
        directory: directory of the files; it is created.
        dataset: the data, whose representation displays the samples.

    Errors: RunError for a directory that has files of these names, and no report of a comparison.
    """

    def __init__(self, directory: Path, dataset: Dataset):
        self.directory, self.dataset = directory, dataset
        self.samples: dict[str, Tensor] = {}
        _refuse_foreign(directory)
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, report: Mapping[str, Any]) -> None:
        """Rewrite all files; samples of rows that no longer exist are removed."""
        names = [row["system"] for row in report["rows"]]
        self.samples = {name: self.samples[name] for name in names if name in self.samples}
        temporary = self.directory / ".samples.safetensors.new"
        write_tensors(temporary, self.samples)
        os.replace(temporary, self.directory / "samples.safetensors")
        write_json(self.directory / "report.json", report)  # after the samples, so that every row has its own
        representation = self.dataset.representation
        shown = {
            name: Samples(rows, {}, representation).to_displayable() for name, rows in self.samples.items()
        }
        write_report(report, shown, self.directory)
        facts = {key: report[key] for key in ("data", "systems", "budget", "n", "seed", "size", "versions")}
        temporary = self.directory / ".samples.png"
        with naming(temporary):
            sheet(shown).save(temporary, pnginfo=stamp(facts))
        os.replace(temporary, self.directory / "samples.png")

    def restore(self) -> None:
        """Load the shown samples; if the file is damaged, the rows are shown without samples."""
        try:
            self.samples = load_file(self.directory / "samples.safetensors")
        except (OSError, SafetensorError):
            self.samples = {}

    def set_aside(self, name: str) -> Path:
        """Copy the files into a subfolder of that name, before they are replaced."""
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        for file in FILES:
            if (self.directory / file).exists():
                shutil.copy2(self.directory / file, folder / file)
        return folder


def read_report(directory: Path) -> dict[str, Any]:
    """Read the report.json of a comparison. Errors: RunError if it is missing, damaged or outdated."""
    file = directory / "report.json"
    try:
        report = json.loads(file.read_text(encoding="utf8"))
    except FileNotFoundError:
        raise RunError(
            f"{directory} is not a comparison: it has no report.json; give a directory that "
            "`morphogen compare` made"
        ) from None
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{file} cannot be read ({reason}); {_compare_runs(directory)}") from None
    if not _is_report(report):
        raise RunError(f"{file} is not the report of a comparison; {_compare_runs(directory)}")
    if "tokens" in report["settings"]:  # the former name of `tokenizer`
        raise RunError(f"{file} was saved by an older version; run the comparison again")
    return report


def _is_report(content: Any) -> bool:
    return isinstance(content, dict) and content.keys() >= REQUIRED


def _refuse_foreign(directory: Path) -> None:
    """Errors: RunError for files that a comparison would replace, but did not write."""
    existing = [directory / name for name in FILES if (directory / name).exists()]
    with suppress(OSError, ValueError):
        if _is_report(json.loads((directory / "report.json").read_text(encoding="utf8"))):
            return
    if existing:
        raise RunError(f"{existing[0]}: the file exists, and is not of morphogen; choose another directory")


def _compare_runs(directory: Path) -> str:
    return f"its runs are intact: morphogen compare {quote(str(directory))}/*/"
