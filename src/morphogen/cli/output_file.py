"""`--out NAME.csv`: all samples in one file of that name, and their settings in NAME.samples.json beside it.

A name with the suffix of a file is never that of a folder. A table, and texts as JSON lines, are files of any
number of samples; a picture, a text or a sound is one sample; a PNG of several is their sheet.
"""

__all__ = [
    "check_folder",
    "check_output",
    "is_output_file",
    "refuse_file",
    "shown_file",
    "write_output",
    "write_record",
]

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.cli.bad_argument import BadArgument

if TYPE_CHECKING:
    from morphogen.media import Medium

SHEET = ".png"


def is_output_file(out: Path | None) -> bool:
    """Whether an output is to be a file, by its suffix; that of samples.v2 is none."""
    from morphogen.media import names_a_file

    return out is not None and names_a_file(out)


def refuse_file(out: Path | None, command: str) -> None:
    """Errors: BadArgument for an output that is to be a file, where a folder is written."""
    if is_output_file(out):
        raise BadArgument(f"--out {out}: {command} writes several files; give a folder, without a suffix")


def shown_file(out: Path) -> Path:
    """The file to open: the output itself, or the sheet of a folder."""
    return out if is_output_file(out) else out / "sheet.png"


def check_output(out: Path | None, medium: "Medium", n: int) -> None:
    """Check that an output can be written. Errors: BadArgument.

    Arguments:
        out: a file or a folder.
        medium: of the samples.
        n: their number.
    """
    if out is None or not is_output_file(out):
        return
    suffix, own = out.suffix.lower(), f".{medium.suffix}"
    known = dict.fromkeys((own, *medium.files_of_many, SHEET))
    if suffix not in known:
        raise BadArgument(f"--out {out}: {medium} is written as {', '.join(known)}; or give a folder")
    if n > 1 and suffix not in (*medium.files_of_many, SHEET):
        several = " or ".join([*medium.files_of_many, "a folder"])
        raise BadArgument(f"--out {out}: is a file of one sample, not of {n}; add --n 1, or give {several}")
    if out.exists() and not _record(out).exists():
        raise BadArgument(f"--out {out}: the file exists, and is not of morphogen; choose another name")


def check_folder(folder: Path, medium: "Medium", indices: Iterable[int], others: Iterable[str]) -> None:
    """Check that an output, if it is a folder, has no files of someone else that would be replaced.

    Arguments:
        folder: a folder or a file.
        medium: of the samples.
        indices: of the samples.
        others: names of further files.

    Errors: BadArgument.
    """
    from morphogen.samples import foreign_file

    names = [*map(medium.file_name, indices), *others]
    if not is_output_file(folder) and (found := foreign_file(folder, names, medium)) is not None:
        raise BadArgument(f"{found}: the file exists, and is not of morphogen; choose another folder: --out")


def write_output(out: Path, samples: Any, sheet: Any) -> None:
    """Write samples into one file, and their settings beside it.

    Arguments:
        out: the file.
        samples: of any medium.
        sheet: makes their sheet, for a PNG of several or of another medium.
    """
    from morphogen.files import naming
    from morphogen.media.pictures import stamp

    medium = samples.representation.medium
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == SHEET and (len(samples) > 1 or medium.suffix != SHEET[1:]):
        with naming(out):
            sheet().save(out, pnginfo=stamp(samples.record))
    else:
        medium.write_file(out, samples)
    write_record(out, samples.record)


def write_record(out: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings that made a file beside it."""
    from morphogen.files import write_json

    write_json(_record(out), {**settings, "files": [out.name]})


def _record(out: Path) -> Path:
    return out.with_suffix(".samples.json")
