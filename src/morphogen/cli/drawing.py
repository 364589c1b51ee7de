"""How a person says what is to be drawn, and where it then lies: what `sample` and `edit` share."""

__all__ = ["Condition", "Device", "Guidance", "Negative", "Runs", "SamplerName", "Show", "Steps", "Temperature", "check_negative", "keep"]

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
