"""morphogen sample [RUN]: draws from a trained model, in the medium's own format."""

__all__ = ["sample"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.decoding import BeamWidth, Expression, MaxNewTokens, MinP, NoRepeat, Penalty, Schema, StopStrings, TopK, TopP
from morphogen.cli.drawing import Condition, Device, Guidance, Negative, Runs, SamplerName, Show, SketchFile, Steps, Temperature, Towards

if TYPE_CHECKING:
    from torch import Tensor

    from morphogen.run import Run

FILMED = 10  # samples side by side in a film


def sample(
    run: Annotated[Path | None, Argument(help="a run directory; default: the newest in runs/")] = None,
    n: Annotated[int | None, Option(help="how many (default: 16)")] = None,
    indices: Annotated[str | None, Option(help="which samples of the stream instead of the first n: 3, or 3,7,12, or 0-15")] = None,
    condition: Condition = None, prompt: Annotated[str | None, Option(help="how the text begins; what is to become of a text")] = None,
    sampler: SamplerName = None, steps: Steps = None, temperature: Temperature = None,
    top_k: TopK = None, top_p: TopP = None, min_p: MinP = None, repetition_penalty: Penalty = None, no_repeat_ngram_size: NoRepeat = None,
    beam: BeamWidth = None, stop: StopStrings = None, max_new: MaxNewTokens = None, json_schema: Schema = None, regex: Expression = None,
    guidance: Guidance = 1.0, negative: Negative = None, towards: Towards = None, sketch: SketchFile = None, seed: int = 0,
    out: Annotated[Path | None, Option(help="where to write; default: RUN/samples")] = None,
    film: Annotated[bool, Option("--film", help="film.gif too: how noise becomes the first ten samples, call by call")] = False,
    show: Show = False, runs: Runs = Path("runs"), device: Device = "auto",
    precision: Annotated[str, Option(help="fp32, bf16 or auto: other samples, nearly the same, in less time")] = "fp32",
) -> None:  # fmt: skip
    """Draw samples from a trained model: one file each, sheet.png with all of them, and what made them inside."""
    import torch
    import typer

    from morphogen.cli.arguments import choose_device, choose_indices, choose_precision, choose_sampler, open_file
    from morphogen.cli.drawing import check_negative, keep, steered
    from morphogen.evaluation.sheet import sheet
    from morphogen.rank import Rank
    from morphogen.run import Run

    which, rank, chosen = choose_indices(n, indices), Rank.here(device), Run.open(run) if run else Run.latest(runs)
    model = chosen.model(where := choose_device(device))
    numbers = {"steps": steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "beam": beam}
    numbers |= {"repetition_penalty": repetition_penalty, "no_repeat_ngram_size": no_repeat_ngram_size, "max_new": max_new}
    how = choose_sampler(model, sampler, guidance, numbers, {"stop": stop or None, "json_schema": json_schema, "regex": regex})
    how = steered(chosen, how, towards, condition, where)
    asked, folder = _asked(chosen, model, condition, prompt, sketch, len(which)), out or chosen.directory / "samples"
    options = {"negative": check_negative(chosen, negative, guidance), "precision": choose_precision(precision)}
    if film:
        rank.once(lambda: _film(model, asked, how, seed, torch.tensor(which[:FILMED]), folder, options))
    samples = model.sample(len(which), asked, how, seed, torch.tensor(which), rank=rank, **options)
    drawn = keep(chosen, samples, folder, rank, lambda shown: sheet({"": shown}))
    texts = ["\n---\n".join(drawn[:4])] if isinstance(drawn[0], str) else []
    typer.echo("\n".join([*texts, f"{len(which)} samples of {chosen.directory.name} by {how!r} in {folder}"]))
    if show:
        rank.once(lambda: open_file(folder / "sheet.png"))


def _asked(run: "Run", model: Any, condition: str | None, prompt: str | None, sketch: Path | None, rows: int) -> "Tensor | None":
    """What every sample is asked to be; None: nothing."""
    import torch

    from morphogen.cli.arguments import BadArgument, choose_class
    from morphogen.conditioning.label import Label
    from morphogen.conditioning.sketch import Sketch
    from morphogen.data.pictures import read_as
    from morphogen.representations.text import Text

    if prompt is not None:
        asked = getattr(model.conditioner, "conditioner", model.conditioner)
        if condition is not None or not isinstance(model.representation, Text) or isinstance(asked, Label):
            raise BadArgument(f"--prompt {prompt!r}: {run.directory} is not begun by words; leave it out, or give --condition alone")
        return model.representation.read(prompt).expand(rows, -1)
    if sketch is not None and not isinstance(model.conditioner, Sketch):
        raise BadArgument(f"--sketch {sketch}: {run.directory} hears no sketches; leave it out, or take a run of sketch_to_picture")
    if sketch is not None:
        return (read_as(sketch, (1, *model.representation.shape[1:])) / 255).expand(rows, -1, -1, -1)
    return None if condition is None else torch.tensor(choose_class(run, condition)).expand(rows)


def _film(model: Any, asked: "Tensor | None", how: Any, seed: int, which: "Tensor", folder: Path, options: dict[str, Any]) -> None:
    """The first of the samples once more, as they come about."""
    from morphogen.evaluation.film import film, save_film

    told = {"sampler": repr(how), "seed": seed, "indices": which.tolist()} | options
    frames = film(model, len(which), how, seed, None if asked is None else asked[: len(which)], indices=which, **options)
    folder.mkdir(parents=True, exist_ok=True)
    save_film(frames, folder / "film.gif", told)
