"""`morphogen vary [RUN] PICTURE...`: variations, blends and text differences of pictures by a DALL-E 2."""

__all__ = ["vary"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.arguments import choose_device, choose_indices, open_file
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.drawing import SHEET, Show, save_samples
from morphogen.cli.echo import echo
from morphogen.cli.inputs import check_paths, read_pictures, split_paths
from morphogen.cli.options import Device, Runs, Seed
from morphogen.cli.output_file import check_folder, check_output, refuse_inputs, shown_file
from morphogen.counted import counted

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Paths = Annotated[
    list[Path],
    Argument(
        metavar="[RUN] PICTURE...",
        help="run directory of a model that draws pictures of embeddings, such as dalle2 (default: the "
        "newest finished one of pictures in runs/), then the pictures",
    ),
]
Count = Annotated[
    int | None,
    Option("--n", "-n", help="variations per picture (default: 4); or pictures on the way (default: 8)"),
]
Eta = Annotated[
    float, Option(help="variations: from 0 (the picture, reconstructed) to 1 (all fresh, but what it shows)")
]
Blend = Annotated[bool, Option("--blend", help="draw the way from the first picture to the second")]
To = Annotated[str | None, Option("--to", help="what the pictures are changed towards, in words")]
From = Annotated[str, Option("--from", help="with --to: what they show, in words (default: an empty text)")]
Strength = Annotated[float, Option(help="with --to: how far, above 0, up to 1; more changes more")]
Guidance = Annotated[float, Option(help="scale of guidance towards the embedding; 1: off")]
Steps = Annotated[int, Option(help="network calls of the inversion, and of the decoder")]
Out = Annotated[Path | None, Option(help="output directory, or one file: NAME.png (default: RUN/varied)")]
EXAMPLES = "vary", "PICTURE"  # the command, and what it is given for pictures


def vary(
    paths: Paths, n: Count = None, eta: Eta = 1.0, blend: Blend = False, to: To = None, source: From = "",
    strength: Strength = 0.4, guidance: Guidance = 1.0, steps: Steps = 50, seed: Seed = 0, out: Out = None,
    show: Show = False, runs: Runs = Path("runs"), device: Device = "auto",
) -> None:  # fmt: skip
    """Draw variations of pictures, the way from one to another (--blend), or towards a text (--to).

    Writes one file per picture drawn, and sheet.png with the given ones at the left.
    """
    from morphogen.inference import variations
    from morphogen.rank import ALONE

    check_paths(paths)
    run, files = split_paths(paths, runs, "pictures", EXAMPLES, takes_tables=False)
    _check_one(files, blend, to, source)
    n = len(choose_indices((8 if blend or to is not None else 4) if n is None else n, None))
    refuse_inputs(folder := out or run.directory / "varied", files)
    model = run.model(choose_device(device))
    total, medium = n if blend else n * len(files), model.representation.medium
    check_output(out, medium, total)
    check_folder(folder, medium, range(total), [SHEET])
    pictures, options = read_pictures(files, variations.varied_shape(model)), (steps, guidance, seed)
    if blend:
        drawn = variations.blend(model, pictures[0], pictures[1], n, *options)
    elif to is not None:
        drawn = variations.text_difference(model, pictures[0], to, source, n, strength, *options)
    else:
        drawn = variations.vary(model, pictures, n, eta, *options)
    drawn = replace(drawn, settings=drawn.settings | {"pictures": [str(file) for file in files]})
    save_samples(run, drawn, folder, ALONE, lambda shown: _sheet(model, pictures, shown, blend))
    echo(f"{counted(total, 'picture')} from {counted(len(files), 'picture')} by {run.name} in {folder}")
    if show:
        open_file(shown_file(folder))


def _check_one(files: list[Path], blend: bool, to: str | None, source: str) -> None:
    """Errors: BadArgument for two kinds of change, and for another number of pictures."""
    if blend and to is not None:
        raise BadArgument(f"--blend and --to {to!r}: give one of the two")
    if source and to is None:
        raise BadArgument(f"--from {source!r} needs --to, the text to change towards")
    if blend and len(files) != 2:
        raise BadArgument(f"--blend takes two pictures, not {len(files)}: give the first and the last one")
    if to is not None and len(files) != 1:
        raise BadArgument(f"--to {to!r} takes one picture, not {len(files)}: change one at a time")


def _sheet(model: Any, given: "Float[Tensor, 'n c h w']", shown: list[Any], blend: bool) -> Any:
    """One row per given picture, with what was drawn from it; of a blend, one row from end to end."""
    from morphogen.evaluation.sheet import sheet

    first = model.representation.present(given)
    if blend:
        return sheet({"": [first[0], *shown, first[1]]}, columns=len(shown) + 2)
    n = len(shown) // len(first)
    rows = [[one, *shown[i * n : i * n + n]] for i, one in enumerate(first)]
    return sheet({"": [picture for row in rows for picture in row]}, columns=n + 1)
