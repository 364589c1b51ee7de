"""`--out NAME.csv`: all samples in one file of that name, and their settings in NAME.samples.json beside it.

A name with the suffix of a file is never that of a folder. A table, and texts as JSON lines, are files of any
number of samples; a picture, a text or a sound is one sample; a PNG of several is their sheet.
"""

__all__ = [
    "check_folder",
    "check_output",
    "is_output_file",
    "refuse_file",
    "refuse_foreign",
    "refuse_inputs",
    "shown_file",
    "write_output",
    "write_record",
]

from collections.abc import Callable, Iterable, Mapping
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
    from morphogen.files import listed_files

    if out is None or not is_output_file(out):
        return
    suffix, own = out.suffix.lower(), f".{medium.suffix}"
    known = dict.fromkeys((own, *medium.files_of_many, SHEET))
    if suffix not in known:
        verb = "are" if medium.name.endswith("s") else "is"  # pictures are, text is
        raise BadArgument(f"--out {out}: {medium} {verb} written as {', '.join(known)}; or give a folder")
    if n > 1 and suffix not in (*medium.files_of_many, SHEET):
        several = " or ".join([*medium.files_of_many, "a folder"])
        raise BadArgument(f"--out {out}: is a file of one sample, not of {n}; add --n 1, or give {several}")
    listed = listed_files(_record(out))
    ours = () if listed is None else (*listed, _record(out).name)
    refuse_foreign((out, _record(out)), lambda file: file.name in ours)


def refuse_foreign(files: Iterable[Path], is_own: Callable[[Path], bool]) -> None:
    """Check that files can be written without replacing one of someone else.

    Arguments:
        files: to be written.
        is_own: whether morphogen wrote one that exists.

    Errors: BadArgument.
    """
    if (found := next((file for file in files if file.exists() and not is_own(file)), None)) is not None:
        raise BadArgument(f"--out {found}: the file exists, and is not of morphogen; choose another name")


def refuse_inputs(out: Path, inputs: Iterable[Path | None]) -> None:
    """Check that no file that is read would be replaced.

    Arguments:
        out: a file, or a folder, in which the files that its samples.json lists are replaced.
        inputs: the files that are read; None: not given.

    Errors: BadArgument.
    """
    from morphogen.files import listed_files

    listed = listed_files(out / "samples.json") if out.is_dir() else None
    replaced = [out] if listed is None else [out / name for name in listed]
    existing = [file for file in replaced if file.is_file()]
    if same := [file for given in inputs for file in existing if given is not None and file.samefile(given)]:
        raise BadArgument(f"--out {same[0]}: the file exists, and is an input; choose another name")


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
    from morphogen.files import listed_files, write_json

    others = (listed_files(_record(out)) or set()) - {out.name}
    write_json(_record(out), {**settings, "files": [out.name, *sorted(others)]})


def _record(out: Path) -> Path:
    return out.with_suffix(".samples.json")
