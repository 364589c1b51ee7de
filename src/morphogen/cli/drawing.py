"""How a person says what is to be drawn, and where it then lies: what `sample` and `edit` share."""

__all__ = [
    "Condition",
    "Device",
    "Guidance",
    "Negative",
    "Runs",
    "SamplerName",
    "Show",
    "SketchFile",
    "Steps",
    "Temperature",
    "Towards",
    "check_negative",
    "keep",
    "steered",
]

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

if TYPE_CHECKING:
    from PIL.Image import Image

    from morphogen.model import Samples
    from morphogen.rank import Rank
    from morphogen.run import Run

Condition = Annotated[str | None, Option(help="a class by name or number, or index:7; default: each sample draws one")]
Negative = Annotated[str | None, Option(help="a class that guidance pushes away from, instead of from no class")]
SamplerName = Annotated[str | None, Option(help="ddpm, ddim, ancestral, ...; default: the paper's")]
Steps = Annotated[int | None, Option(help="evaluations of the denoiser")]
Temperature = Annotated[float | None, Option(help="below 1: safer, above 1: wilder")]
Guidance = Annotated[float, Option(help="push towards the condition; 1 = off")]
Show = Annotated[bool, Option("--open", help="open the sheet in the desktop's viewer")]
Runs = Annotated[Path, Option(help="where to look for the newest run")]
Device = Annotated[str, Option(help="cpu, cuda or auto")]


Towards = Annotated[
    float | None, Option("--classifier-guidance", help="pull of the classifier that `morphogen steer` trained; 1 is Bayes' rule")
]
SketchFile = Annotated[Path | None, Option("--sketch", help="a picture of edges, white on black, that is to be filled")]


def steered(run: "Run", how: Any, scale: float | None, condition: str | None, device: str) -> Any:
    """The sampler pulled by the run's classifier. Errors: BadArgument where nothing is asked for."""
    from morphogen.cli.arguments import BadArgument, choose_class
    from morphogen.families.diffusion import ClassifierGuided
    from morphogen.steer import classifier_of

    if scale is None:
        return how
    if condition is None:
        raise BadArgument(f"--classifier-guidance {scale:g}: towards which class? add --condition CLASS")
    return ClassifierGuided(how, classifier_of(run, device), scale, choose_class(run, condition))


def check_negative(run: "Run", negative: str | None, guidance: float) -> int | None:
    """The class to push away from. Errors: BadArgument where nothing pushes."""
    from morphogen.cli.arguments import BadArgument, choose_class

    if negative is None:
        return None
    if guidance == 1:
        raise BadArgument(f"--negative {negative}: nothing pushes away from it; add --guidance 3")
    return choose_class(run, negative, "--negative")


def keep(run: "Run", samples: "Samples", folder: Path, rank: "Rank", page: Callable[[list[Any]], "Image"]) -> list[Any]:
    """Write the samples and the page that shows them, with the run they come of; what a picture of them can hold."""
    from dataclasses import replace

    from morphogen.representations.stamp import stamp

    record = run.record
    facts = {"run": run.name, "system": record["system"], "data": record["data"], "versions": record.get("versions")}
    samples = replace(samples, made_by=facts | samples.made_by)
    samples.save(folder, rank)
    drawn = samples.shown()
    rank.once(lambda: page(drawn).save(folder / "sheet.png", pnginfo=stamp(samples.record)))
    return drawn
