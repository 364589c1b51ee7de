"""`morphogen edit [RUN] FILE...`: edit pictures with a diffusion model, or fill the empty cells of tables."""

__all__ = ["edit"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.arguments import (
    choose_device,
    choose_indices,
    choose_label,
    choose_sampler,
    open_file,
)
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.completion import complete_tables, is_table
from morphogen.cli.drawing import (
    SHEET,
    Guidance,
    Interval,
    Negative,
    SamplerName,
    Show,
    Steps,
    Threshold,
    bounded,
    caption_of,
    check_negative,
    save_samples,
)
from morphogen.cli.echo import echo
from morphogen.cli.inputs import check_paths, read_pictures, split_paths
from morphogen.cli.options import Device, Runs, Seed
from morphogen.cli.output_file import check_folder, check_output, refuse_inputs, shown_file
from morphogen.counted import counted

if TYPE_CHECKING:
    from torch import Tensor

    from morphogen.inference.editing import Edit
    from morphogen.run import Run

Paths = Annotated[
    list[Path],
    Argument(
        metavar="[RUN] FILE...",
        help="run directory of a diffusion model or a model of tables, or diffusers:PATH (default: the "
        "newest finished one of this kind in runs/), then the pictures to edit, or the tables to complete",
    ),
]
Mask = Annotated[
    Path | None,
    Option(help="inpaint: a picture, white where to redraw; black or transparent: keep"),
]
Strength = Annotated[
    float | None, Option(help="redraw the whole picture; from 0 (unchanged) to 1 (nothing is kept)")
]
SourceClass = Annotated[
    str | None, Option(help="translate: class of the pictures, to be changed to that of --condition")
]
Variants = Annotated[
    int | None,
    Option(
        "--n", "-n", help="variants per picture (default: 4; 1 with --source-class, which is deterministic)"
    ),
]
Condition = Annotated[
    str | None,
    Option(
        help="class of the variants, by name, or index:7 for a place (default: unconditional, or a random "
        "class per variant if the model needs one)"
    ),
]
Prompt = Annotated[str | None, Option(help="caption of the variants, of a model of captioned pictures")]
Fill = Annotated[
    list[str] | None,
    Option(
        metavar="COLUMN",
        help="of a table: fill the empty cells of this column only; may be given several times",
    ),
]
Out = Annotated[
    Path | None, Option(help="output directory, or one file: NAME.csv, NAME.png, ... (default: RUN/edits)")
]
EXAMPLES = "edit", "PICTURE... --strength 0.5"  # the command, and what it is given for pictures


def edit(
    paths: Paths, mask: Mask = None, strength: Strength = None, source_class: SourceClass = None,
    n: Variants = None, condition: Condition = None, guidance: Guidance = 1.0, negative: Negative = None,
    sampler: SamplerName = None, steps: Steps = None, seed: Seed = 0, out: Out = None, show: Show = False,
    runs: Runs = Path("runs"), device: Device = "auto", fill: Fill = None, prompt: Prompt = None,
    interval: Interval = None, threshold: Threshold = None,
) -> None:  # fmt: skip
    """Edit pictures (inpaint, redraw, change the class), or fill in the missing cells of tables.

    For pictures, give one of --mask, --strength and --source-class. Writes one file per variant, and
    sheet.png with all variants next to the originals. Tables need no option; each is written as NAME.csv.
    """
    check_paths(paths)
    if any(map(is_table, paths)):
        complete_tables(*split_paths(paths, runs, "table", EXAMPLES), out, seed, device, fill or [])
        return
    from morphogen.inference.editing import edit as edit_pictures
    from morphogen.inference.editing import picture_shape
    from morphogen.rank import ALONE

    _check_one(mask, strength, source_class, condition, fill)
    n = len(choose_indices((4 if source_class is None else 1) if n is None else n, None))
    run, files = split_paths(paths, runs, "pictures", EXAMPLES)
    refuse_inputs(out or run.directory / "edits", [*files, mask])
    model = run.model(choose_device(device))
    shape, folder, medium = picture_shape(model), out or run.directory / "edits", model.representation.medium
    check_output(out, medium, total := n * len(files))
    check_folder(folder, medium, range(total), [SHEET])
    pictures, change = read_pictures(files, shape), _change(run, shape, files, mask, strength, source_class)
    method = choose_sampler(model, sampler, guidance, {"steps": steps}, {}, change.default_sampler(model))
    method = bounded(method, interval, threshold)
    target, excluded = _target(run, model, condition, prompt), check_negative(run, model, negative, guidance)
    edited = edit_pictures(model, pictures, change, n, target, method, seed, excluded)
    inputs = {"pictures": [str(file) for file in files], "mask": None if mask is None else str(mask)}
    edited, region = replace(edited, settings=edited.settings | inputs), getattr(change, "mask", None)
    save_samples(run, edited, folder, ALONE, lambda shown: _sheet(model, pictures, region, shown))
    made = f"{counted(n, 'variant')} of {counted(len(files), 'picture')}"
    echo(f"{made} by {method!r} of {run.name} in {folder}")
    if show:
        open_file(shown_file(folder))


def _target(run: "Run", model: Any, condition: str | None, prompt: str | None) -> dict[str, Any] | None:
    """What the variants show: a class or a caption. Errors: BadArgument for what the model does not take."""
    if prompt is None:
        return None if condition is None else choose_label(run, condition)
    if condition is not None:
        raise BadArgument(f"--prompt {prompt!r}: --condition gives what to draw too; give one of the two")
    if (caption := caption_of(run, model, prompt)) is None:
        raise BadArgument(f"--prompt {prompt!r}: {run.where} does not accept a caption; leave it out")
    return caption


def _check_one(
    mask: Path | None,
    strength: float | None,
    source_class: str | None,
    condition: str | None,
    fill: list[str] | None,
) -> None:
    """Errors: BadArgument unless one kind of edit is requested, with its values in their range."""
    if fill:
        raise BadArgument(f"--fill {fill[0]}: is for tables; leave it out for pictures")
    if sum(option is not None for option in (mask, strength, source_class)) != 1:
        raise BadArgument(
            "edit needs one of the three: --mask FILE (inpaint), --strength 0.5 (redraw), "
            "--source-class CLASS (change the class)"
        )
    if strength is not None and not 0 <= strength <= 1:
        raise BadArgument(f"--strength {strength:g}: give a number from 0 (unchanged) to 1 (nothing is kept)")
    if source_class is not None and condition is None:
        raise BadArgument(f"--source-class {source_class} requires a target class: add --condition CLASS")


def _change(
    run: "Run",
    shape: tuple[int, int, int],
    files: list[Path],
    mask: Path | None,
    strength: float | None,
    source_class: str | None,
) -> "Edit":
    """The edit that the options describe."""
    from morphogen.data.masks import read_mask
    from morphogen.inference.editing import DDIMTranslate, Inpaint, SDEdit

    if mask is not None:
        return Inpaint(read_mask(mask, shape, files))
    if strength is not None:
        return SDEdit(strength)
    return DDIMTranslate(choose_label(run, str(source_class), "--source-class"))


def _sheet(model: Any, pictures: "Tensor", mask: "Tensor | None", variants: list[Any]) -> Any:
    """One row per picture: the original, the original without the masked region, and its variants."""
    import torch

    from morphogen.evaluation.sheet import sheet

    present, n = model.representation.present, len(variants) // len(pictures)
    columns = [present(pictures)]
    if mask is not None:
        columns.append(present(torch.where(mask, 0.0, pictures)))
    rows = [[*(column[i] for column in columns), *variants[i * n : i * n + n]] for i in range(len(pictures))]
    return sheet({"": [picture for row in rows for picture in row]}, columns=len(rows[0]))
