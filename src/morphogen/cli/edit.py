"""morphogen edit [RUN] PICTURE...: pictures made of yours by a trained model of diffusion."""

__all__ = ["edit"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.drawing import Condition, Device, Guidance, Negative, Runs, SamplerName, Show, Steps

if TYPE_CHECKING:
    from torch import Tensor

    from morphogen.inference.editing import Change
    from morphogen.run import Run


def edit(
    words: Annotated[list[Path], Argument(metavar="[RUN] PICTURE...", help="a run directory (default: the newest in runs/), and pictures")],
    mask: Annotated[Path | None, Option(help="a picture: what is white in it is drawn anew, what is black stays as it is")] = None,
    strength: Annotated[float | None, Option(help="redraw the whole: 0, not at all, to 1, with nothing left of it")] = None,
    was: Annotated[str | None, Option(help="the class the pictures are of: they become that of --condition, of the same noise")] = None,
    n: Annotated[int | None, Option(help="variants of each picture; default: 4, or 1 where nothing is left to chance (--was)")] = None,
    condition: Condition = None, guidance: Guidance = 1.0, negative: Negative = None, sampler: SamplerName = None, steps: Steps = None,
    seed: int = 0,
    out: Annotated[Path | None, Option(help="where to write; default: RUN/edits")] = None,
    show: Show = False, runs: Runs = Path("runs"), device: Device = "auto",
) -> None:  # fmt: skip
    """Draw a part of each picture anew, the whole, or as another class: a file a variant, and sheet.png with all beside what was given."""
    import typer

    from morphogen.cli.arguments import choose_class, choose_device, choose_indices, choose_sampler, open_file
    from morphogen.cli.drawing import check_negative, keep
    from morphogen.inference.editing import edit as make
    from morphogen.inference.editing import picture_shape
    from morphogen.rank import ALONE

    _check_one(mask, strength, was, condition)
    n, (chosen, files) = len(choose_indices(n if n is not None else 4 if was is None else 1, None)), _given(words, runs)
    model = chosen.model(choose_device(device))
    pictures, change = _read(files, picture_shape(model)), _change(chosen, picture_shape(model), mask, strength, was)
    how = choose_sampler(model, sampler, guidance, {"steps": steps}, {}, change.own_sampler(model))
    asked = None if condition is None else choose_class(chosen, condition)
    made = make(model, pictures, change, n, asked, how, seed, check_negative(chosen, negative, guidance))
    made = replace(made, made_by=made.made_by | {"pictures": [str(file) for file in files], "mask": None if mask is None else str(mask)})
    folder = out or chosen.directory / "edits"
    keep(chosen, made, folder, ALONE, lambda drawn: _page(model, pictures, getattr(change, "mask", None), drawn))
    typer.echo(f"{n} variants of {len(files)} pictures by {how!r} of {chosen.directory.name} in {folder}")
    if show:
        open_file(folder / "sheet.png")


def _check_one(mask: Path | None, strength: float | None, was: str | None, condition: str | None) -> None:
    """Errors: BadArgument for none of the three changes, or several, and for one that leads nowhere."""
    from morphogen.cli.arguments import BadArgument

    if sum(given is not None for given in (mask, strength, was)) != 1:
        ways = "--mask FILE, to draw a part anew; --strength 0.5, to redraw the whole; --was CLASS, to make another of it"
        raise BadArgument(f"edit needs one of the three: {ways}")
    if was is not None and condition is None:
        raise BadArgument(f"--was {was}: and what are the pictures to become? add --condition CLASS")


def _change(run: "Run", shape: tuple[int, int, int], mask: Path | None, strength: float | None, was: str | None) -> "Change":
    """What becomes of the pictures."""
    from morphogen.cli.arguments import choose_class
    from morphogen.inference.editing import Inpainted, Redrawn, Translated

    if mask is not None:
        return Inpainted(_part(mask, shape))
    return Redrawn(strength) if strength is not None else Translated(choose_class(run, str(was), "--was"))


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


def _part(mask: Path, shape: tuple[int, int, int]) -> "Tensor":
    """What is white in the mask."""
    from morphogen.cli.arguments import BadArgument
    from morphogen.data.pictures import read_as

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
