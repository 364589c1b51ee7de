"""`morphogen restore [RUN] PICTURE... --operator OPERATOR`: restore pictures with a diffusion model."""

__all__ = ["restore"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.arguments import choose_device, choose_indices, choose_label, choose_sampler, open_file
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.drawing import Guidance, SamplerName, Show, Steps, save_samples
from morphogen.cli.echo import echo
from morphogen.cli.inputs import check_paths, read_pictures, split_paths
from morphogen.cli.options import Device, Runs, Seed
from morphogen.cli.output_file import check_folder, check_output, refuse_inputs, shown_file
from morphogen.counted import counted

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from morphogen.families.diffusion import LinearOperator

Paths = Annotated[
    list[Path],
    Argument(
        metavar="[RUN] PICTURE...",
        help="run directory of a diffusion model (default: the newest finished one of pictures in runs/), "
        "then what was measured: small, blurred, masked or grey pictures",
    ),
]
Operator = Annotated[
    str,
    Option(
        help="what made them: downsample:4, blur:1.5, mask:FILE (white where the picture is missing), grey, "
        "projection:100, or several joined by +, as blur:1+downsample:2"
    ),
]
Noise = Annotated[
    float, Option(help="standard deviation of their noise, in pictures from -1 to 1; 0: the pixels are exact")
]
Method = Annotated[str, Option(help="mmps, dps or, for a mask without noise, repaint")]
Variants = Annotated[int, Option("--n", "-n", help="variants per picture")]
Measure = Annotated[
    bool,
    Option("--measure", help="the pictures are whole: apply the operator and the noise to them first"),
]
Condition = Annotated[
    str | None, Option(help="class of the variants, by name, or index:7 for a place (default: none)")
]
Out = Annotated[Path | None, Option(help="output directory, or one file: NAME.png (default: RUN/restored)")]
EXAMPLES = "restore", "PICTURE --operator downsample:4"  # the command, and what it is given for pictures


def restore(
    paths: Paths, operator: Operator, noise: Noise = 0.0, method: Method = "mmps", n: Variants = 4,
    measure: Measure = False, condition: Condition = None, guidance: Guidance = 1.0,
    sampler: SamplerName = None, steps: Steps = None, seed: Seed = 0, out: Out = None, show: Show = False,
    runs: Runs = Path("runs"), device: Device = "auto",
) -> None:  # fmt: skip
    """Restore pictures that are small, blurred, masked or grey, with a diffusion trained on whole ones.

    Draws pictures x that fit y = A x + noise. Writes one file per variant, and sheet.png with all variants
    next to what was measured.
    """
    from morphogen.inference.restoration import observe, restored_operator, restoring_sampler
    from morphogen.inference.restoration import restore as restore_pictures
    from morphogen.rank import ALONE

    check_paths(paths)
    n = len(choose_indices(n, None))
    run, files = split_paths(paths, runs, "pictures", EXAMPLES, takes_tables=False)
    refuse_inputs(folder := out or run.directory / "restored", files)
    model = run.model(choose_device(device))
    chosen = restored_operator(model, operator, lambda name: _known(Path(name), model, files))
    medium = model.representation.medium
    check_output(out, medium, n * len(files))
    check_folder(folder, medium, range(n * len(files)), ["sheet.png"])
    takes_whole = measure or chosen.known is not None
    given = read_pictures(files, chosen.shape) if takes_whole else _read_measured(files, operator, chosen)
    y = observe(chosen, given, noise, seed) if measure else given
    draws = choose_sampler(model, sampler, guidance, {"steps": steps}, {}, restoring_sampler(model))
    target = None if condition is None else choose_label(run, condition)
    restored = restore_pictures(model, y, chosen, noise, method, n, target, draws, seed)
    restored = replace(restored, settings=restored.settings | {"pictures": [str(file) for file in files]})
    shown = [*([given] if measure else []), _picture_of(chosen, y)]
    save_samples(run, restored, folder, ALONE, lambda variants: _sheet(model, shown, variants))
    made = (
        f"{counted(n, 'variant')} of {counted(len(files), 'picture')} by {method} and {draws!r} of {run.name}"
    )
    echo(f"{made} in {folder}; root mean square of y - A x: {restored.settings['misfit']:.3f}")
    if show:
        open_file(shown_file(folder))


def _known(mask: Path, model: Any, files: list[Path]) -> "Bool[Tensor, 'h w']":
    """Where a mask is black: what is known. Errors: BadArgument for a mask that is not there."""
    from morphogen.data.masks import read_mask

    if not mask.exists():
        raise BadArgument(f"--operator mask:{mask}: no such file; give a picture, white where it is missing")
    return ~read_mask(mask, tuple(model.representation.shape), files)


def _read_measured(files: list[Path], text: str, operator: "LinearOperator") -> "Float[Tensor, 'n c h w']":
    """Pictures of the size and the channels that the operator measures. Errors: BadArgument for others."""
    from morphogen.data.pictures import open_picture

    if len(operator.measured_shape) != 3:
        raise BadArgument(f"--operator {text}: measures numbers, which no picture has: add --measure")
    channels, height, width = operator.measured_shape
    for file in files:
        picture = open_picture(file, (channels, height, width))
        if picture.size != (width, height):
            raise BadArgument(
                f"{file}: {picture.width} x {picture.height} pixels; --operator {text} of the model's "
                f"{operator.shape[2]} x {operator.shape[1]} leaves {width} x {height}: give a picture of "
                "that size, or add --measure to apply the operator to this one"
            )
        if channels == 1 and _is_coloured(picture):
            raise BadArgument(
                f"{file}: a colour picture, and --operator {text} of this model leaves grey ones: "
                "convert it to grey" + (", or add --measure" if operator.shape[0] > 1 else "")
            )
    return read_pictures(files, (channels, height, width))


def _is_coloured(picture: Any) -> bool:
    import numpy as np

    return bool(np.ptp(np.asarray(picture.convert("RGB")), axis=2).any())


def _picture_of(operator: "LinearOperator", y: "Tensor") -> "Float[Tensor, 'n c h w']":
    """What was measured, as a picture of the size of x; of projections A^T y."""
    from torch.nn import functional as F

    if y.ndim != 4:
        return operator.adjoint(y).clamp(-1, 1)
    return F.interpolate(y, operator.shape[1:], mode="nearest").expand(-1, operator.shape[0], -1, -1)


def _sheet(model: Any, columns: list["Tensor"], variants: list[Any]) -> Any:
    """One row per picture: the whole one, if it is known, what was measured of it, and the variants."""
    from morphogen.evaluation.sheet import sheet

    first = [model.representation.present(column) for column in columns]
    n = len(variants) // len(first[0])
    rows = [[*(c[i] for c in first), *variants[i * n : i * n + n]] for i in range(len(first[0]))]
    return sheet({"": [picture for row in rows for picture in row]}, columns=len(rows[0]))
