"""morphogen sample [RUN]: draws from a trained model, in the medium's own format."""

__all__ = ["sample"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.decoding import BeamWidth, Expression, MaxNewTokens, MinP, NoRepeat, Penalty, Schema, StopStrings, TopK, TopP

if TYPE_CHECKING:
    from torch import Tensor

    from morphogen.model import Samples
    from morphogen.rank import Rank
    from morphogen.run import Run


def sample(
    run: Annotated[Path | None, Argument(help="a run directory; default: the newest in runs/")] = None,
    n: Annotated[int | None, Option(help="how many (default: 16)")] = None,
    indices: Annotated[str | None, Option(help="which samples of the stream instead of the first n: 3, or 3,7,12, or 0-15")] = None,
    condition: Annotated[str | None, Option(help="a class by name or number, or index:7; default: each sample draws one")] = None,
    prompt: Annotated[str | None, Option(help="how the text begins; what is to become of a text")] = None,
    sampler: Annotated[str | None, Option(help="ddpm, ddim, ancestral, ...; default: the paper's")] = None,
    steps: Annotated[int | None, Option(help="evaluations of the denoiser")] = None,
    temperature: Annotated[float | None, Option(help="below 1: safer, above 1: wilder")] = None,
    top_k: TopK = None, top_p: TopP = None, min_p: MinP = None, repetition_penalty: Penalty = None, no_repeat_ngram_size: NoRepeat = None,
    beam: BeamWidth = None, stop: StopStrings = None, max_new: MaxNewTokens = None, json_schema: Schema = None, regex: Expression = None,
    guidance: Annotated[float, Option(help="push towards the condition; 1 = off")] = 1.0,
    seed: int = 0,
    out: Annotated[Path | None, Option(help="where to write; default: RUN/samples")] = None,
    show: Annotated[bool, Option("--open", help="open the sheet in the desktop's viewer")] = False,
    runs: Annotated[Path, Option(help="where to look for the newest run")] = Path("runs"),
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
) -> None:  # fmt: skip
    """Draw samples from a trained model: one file each, sheet.png with all of them, and what made them inside."""
    import torch
    import typer

    from morphogen.cli.arguments import choose_device, choose_indices, choose_sampler, open_file
    from morphogen.rank import Rank
    from morphogen.run import Run

    which, rank = choose_indices(n, indices), Rank.here(device)
    chosen = Run.open(run) if run else Run.latest(runs)
    model = chosen.model(choose_device(device))
    numbers = {"steps": steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "beam": beam}
    numbers |= {"repetition_penalty": repetition_penalty, "no_repeat_ngram_size": no_repeat_ngram_size, "max_new": max_new}
    how = choose_sampler(model, sampler, guidance, numbers, {"stop": stop or None, "json_schema": json_schema, "regex": regex})
    asked = _asked(chosen, model, condition, prompt, len(which))
    folder = out or chosen.directory / "samples"
    drawn = _keep(chosen, model.sample(len(which), asked, how, seed, torch.tensor(which), rank=rank), folder, rank)
    if isinstance(drawn[0], str):
        typer.echo("\n---\n".join(drawn[:4]))
    typer.echo(f"{len(which)} samples of {chosen.directory.name} by {how!r} in {folder}")
    if show:
        rank.once(lambda: open_file(folder / "sheet.png"))


def _asked(run: "Run", model: Any, condition: str | None, prompt: str | None, rows: int) -> "Tensor | None":
    """What every sample is asked to be; None: nothing."""
    import torch

    from morphogen.cli.arguments import BadArgument, choose_class
    from morphogen.conditioning.label import Label
    from morphogen.representations.text import Text

    if prompt is not None:
        asked = getattr(model.conditioner, "conditioner", model.conditioner)
        if condition is not None or not isinstance(model.representation, Text) or isinstance(asked, Label):
            raise BadArgument(f"--prompt {prompt!r}: {run.directory} is not begun by words; leave it out, or give --condition alone")
        return model.representation.read(prompt).expand(rows, -1)
    return None if condition is None else torch.tensor(choose_class(run, condition)).expand(rows)


def _keep(run: "Run", samples: "Samples", folder: Path, rank: "Rank") -> list[Any]:
    """Write the samples and the sheet of them, with the run they come of; what a picture of them can hold."""
    from dataclasses import replace

    from morphogen.evaluation.sheet import sheet
    from morphogen.representations.stamp import stamp

    record = run.record
    facts = {"run": run.name, "system": record["system"], "data": record["data"], "versions": record.get("versions")}
    samples = replace(samples, made_by=facts | samples.made_by)
    samples.save(folder, rank)
    drawn = samples.shown()
    rank.once(lambda: sheet({"": drawn}).save(folder / "sheet.png", pnginfo=stamp(samples.record)))
    return drawn
