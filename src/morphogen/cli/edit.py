"""morphogen edit [RUN] PICTURE...: pictures made of yours by a trained model of diffusion."""

__all__ = ["edit"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.drawing import Condition, Device, Guidance, Runs, SamplerName, Show, Steps

if TYPE_CHECKING:
    from torch import Tensor

    from morphogen.run import Run


def edit(
    words: Annotated[list[Path], Argument(metavar="[RUN] PICTURE...", help="a run directory (default: the newest in runs/), and pictures")],
    mask: Annotated[Path | None, Option(help="a picture: what is white in it is drawn anew, what is black stays as it is")] = None,
    strength: Annotated[float | None, Option(help="redraw the whole: 0, not at all, to 1, with nothing left of it")] = None,
    n: Annotated[int, Option(help="variants of each picture")] = 4,
    condition: Condition = None, guidance: Guidance = 1.0, sampler: SamplerName = None, steps: Steps = None, seed: int = 0,
    out: Annotated[Path | None, Option(help="where to write; default: RUN/edits")] = None,
    show: Show = False, runs: Runs = Path("runs"), device: Device = "auto",
) -> None:  # fmt: skip
    """Draw a part of each picture anew, or redraw the whole: one file a variant, and sheet.png with all beside what was given."""
    import typer

    from morphogen.cli.arguments import BadArgument, choose_class, choose_device, choose_indices, choose_sampler, open_file
    from morphogen.cli.drawing import keep
    from morphogen.inference.editing import edit as change
    from morphogen.inference.editing import own_sampler, picture_shape
    from morphogen.rank import ALONE

    if (mask is None) == (strength is None):
        raise BadArgument("edit needs --mask FILE, to draw a part anew, or --strength 0.5, to redraw the whole: one of the two")
    n, (chosen, files) = len(choose_indices(n, None)), _given(words, runs)
    model = chosen.model(choose_device(device))
    shape = picture_shape(model)
    pictures, part = _read(files, shape), _part(mask, shape)
    how = choose_sampler(model, sampler, guidance, {"steps": steps}, {}, own_sampler(model, part is not None))
    asked = None if condition is None else choose_class(chosen, condition)
    made = change(model, pictures, part, strength, n, asked, how, seed)
    made = replace(made, made_by=made.made_by | {"pictures": [str(file) for file in files], "mask": None if mask is None else str(mask)})
    folder = out or chosen.directory / "edits"
    keep(chosen, made, folder, ALONE, lambda drawn: _page(model, pictures, part, drawn))
    typer.echo(f"{n} variants of {len(files)} pictures by {how!r} of {chosen.directory.name} in {folder}")
    if show:
        open_file(folder / "sheet.png")


def _given(words: list[Path], runs: Path) -> tuple["Run", list[Path]]:
    """The run, which may be left out, and the pictures."""
    from morphogen.cli.arguments import BadArgument
    from morphogen.run import Run

    named = words[0].is_dir()
    run, files = Run.open(words[0]) if named else Run.latest(runs), words[named:]
    if not files:
        raise BadArgument(f"edit {words[0]}: which pictures? morphogen edit {words[0]} PICTURE... --strength 0.5")
    return run, files


def _read(files: list[Path], shape: tuple[int, int, int]) -> "Tensor":
    """The pictures as the model draws them, in [-1, 1]."""
    import torch

    from morphogen.data.pictures import read_as

    return torch.stack([read_as(file, shape) for file in files]) * (2 / 255) - 1


def _part(mask: Path | None, shape: tuple[int, int, int]) -> "Tensor | None":
    """What is white in the mask."""
    from morphogen.cli.arguments import BadArgument
    from morphogen.data.pictures import read_as

    if mask is None:
        return None
    white = read_as(mask, (3, *shape[1:])).float().mean(0) >= 128
    if not white.any():
        raise BadArgument(f"--mask {mask}: nothing in it is white, so that nothing is drawn anew; paint white what is to change")
    return white


def _page(model: Any, pictures: "Tensor", part: "Tensor | None", drawn: list[Any]) -> Any:
    """A line a picture: as given, without the part that is drawn anew, and its variants."""
    import torch

    from morphogen.evaluation.sheet import sheet

    present, n = model.representation.present, len(drawn) // len(pictures)
    given = [present(pictures)] + ([] if part is None else [present(torch.where(part, 0.0, pictures))])
    lines = [[*(column[i] for column in given), *drawn[i * n : i * n + n]] for i in range(len(pictures))]
    return sheet({"": [picture for line in lines for picture in line]}, columns=len(lines[0]))
