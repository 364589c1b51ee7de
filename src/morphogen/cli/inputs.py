"""The files that a command reads, beside the run: pictures of the model's shape, or tables."""

__all__ = ["check_paths", "read_pictures", "split_paths"]

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo
from morphogen.cli.run_choice import DIFFUSERS, choose_run

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from morphogen.run import Run


def check_paths(paths: list[Path]) -> None:
    """Errors: BadArgument for a path that is not there, and for several folders, of which one is the run."""
    if missing := [path for path in paths if not _is_run(path) and not path.exists()]:
        raise BadArgument(f"{missing[0]}: no such file or run; check the path")
    if len(folders := [path for path in paths if _is_run(path)]) > 1:
        raise BadArgument(f"{folders[1]}: is a folder, as {folders[0]}; give one run, and files")


def split_paths(
    paths: list[Path], runs: Path, medium: str, examples: tuple[str, str], takes_tables: bool = True
) -> tuple["Run", list[Path]]:
    """The run and the files.

    Arguments:
        paths: of which the folder, if there is one, is the run.
        runs: the folder in which the newest run of the medium is looked for otherwise.
        medium: of the files.
        examples: the command, and what it is given for pictures, for errors.
        takes_tables: whether the command takes tables too, for errors.

    Errors: BadArgument without files, or without such a run.
    """
    folder, files = next(filter(_is_run, paths), None), [path for path in paths if not _is_run(path)]
    run, (command, pictures) = choose_run(folder, runs, medium=medium), examples
    if not files:
        given = quote(str(folder))
        tables = f", or morphogen {command} {given} TABLE.csv" if takes_tables else ""
        raise BadArgument(
            f"{command} {folder}: no pictures given; write morphogen {command} {given} {pictures}{tables}"
        )
    return run, files


def read_pictures(files: list[Path], shape: tuple[int, int, int]) -> "Float[Tensor, 'n c h w']":
    """The pictures as a tensor in [-1, 1], in the model's shape; says how they were made to fit."""
    import torch

    from morphogen.data.folders import summarise
    from morphogen.data.pictures import read_as

    fitted = {str(file): read_as(file, shape) for file in files}
    for note in summarise({file: [one.note] for file, one in fitted.items() if one.note}):
        echo(note)
    return torch.stack([fitted[str(file)].values for file in files]) * (2 / 255) - 1


def _is_run(path: Path) -> bool:
    """Whether a path is a folder, or the name of another project's model."""
    return path.is_dir() or str(path).startswith(DIFFUSERS)
