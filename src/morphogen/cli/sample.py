"""`morphogen sample [RUN]`: draw samples from a trained model, as PNG, WAV, text or CSV files."""

__all__ = ["sample"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli import decoding
from morphogen.cli.arguments import (
    check_complete,
    choose_conditions,
    choose_device,
    choose_indices,
    choose_precision,
    choose_sampler,
    open_file,
)
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.drawing import (
    CAPTION,
    SHEET,
    ClassifierGuidance,
    Condition,
    EmbeddingFiles,
    Guidance,
    Interval,
    LoRAFiles,
    Negative,
    SamplerName,
    Show,
    SketchFile,
    SourceFile,
    Steps,
    Temperature,
    Threshold,
    bounded,
    check_negative,
    save_samples,
    specs_of,
    with_classifier,
    with_small_files,
)
from morphogen.cli.echo import echo
from morphogen.cli.options import Device, Runs, Seed
from morphogen.cli.output_file import check_folder, check_output, refuse_file, refuse_inputs, shown_file
from morphogen.cli.run_choice import choose_run
from morphogen.counted import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float
    from torch import Tensor

    from morphogen.contract import ConditionSpec
    from morphogen.numerics.trees import Tree
    from morphogen.rank import Rank
    from morphogen.run import Run

# conditions that are pictures: what they are, and the systems that take them
PICTURE_CONDITIONS = {
    "sketch": ("sketches", "sketch_to_picture or pix2pix"),
    "source": ("pictures to translate", "cyclegan"),
}
FILM, FILMED = "film.gif", 10  # samples side by side in a film

RunDirectory = Annotated[
    Path | None,
    Argument(
        help="a run directory, gan-face, or diffusers:PATH, the folder of a Stable Diffusion pipeline "
        "(default: the newest finished run in the folder of --runs)"
    ),
]
SampleCount = Annotated[int | None, Option("--n", "-n", help="number of samples (default: 16)")]
Indices = Annotated[
    str | None, Option(help="indices of the samples to draw, instead of the first n: 3, or 3,7,12, or 0-15")
]
Prompt = Annotated[
    str | None,
    Option(help="beginning of every text; for a translator, the source; for pictures, the caption"),
]
Out = Annotated[
    Path | None, Option(help="output directory, or one file: NAME.csv, NAME.png, ... (default: RUN/samples)")
]
BestOf = Annotated[
    int,
    Option("--best-of", help="samples drawn for each, of which the one that fits its caption best is kept"),
]
Ranker = Annotated[
    Path | None, Option("--ranker", help="run of the system clip that ranks the samples of --best-of")
]
Film = Annotated[
    bool, Option("--film", help="diffusion: also write film.gif, the denoising of the first ten samples")
]
Precision = Annotated[
    str, Option(help="fp32, bf16 or auto; bf16 is faster on GPUs, with slightly different samples")
]


def sample(
    run: RunDirectory = None, n: SampleCount = None, indices: Indices = None, condition: Condition = None,
    prompt: Prompt = None, sampler: SamplerName = None, steps: Steps = None, temperature: Temperature = None,
    top_k: decoding.TopK = None, top_p: decoding.TopP = None, min_p: decoding.MinP = None,
    repetition_penalty: decoding.Penalty = None, no_repeat_ngram_size: decoding.NoRepeat = None,
    beam: decoding.BeamWidth = None, stop: decoding.StopOption = None, max_new: decoding.MaxNewOption = None,
    json_schema: decoding.Schema = None, regex: decoding.Expression = None, guidance: Guidance = 1.0,
    negative: Negative = None, classifier_guidance: ClassifierGuidance = None, sketch: SketchFile = None,
    seed: Seed = 0, out: Out = None, film: Film = False, show: Show = False, runs: Runs = Path("runs"),
    device: Device = "auto", precision: Precision = "fp32", source: SourceFile = None, lora: LoRAFiles = None,
    interval: Interval = None, threshold: Threshold = None, best_of: BestOf = 1, ranker: Ranker = None,
    embedding: EmbeddingFiles = None,
) -> None:  # fmt: skip
    """Draw samples from a trained model.

    Writes one file per sample (of a table: samples.csv), sheet.png, and samples.json with the settings.
    """
    from morphogen.rank import Rank

    rows, rank, target = choose_indices(n, indices), Rank.initialize(device), choose_device(device)
    model = with_small_files((chosen := choose_run(run, runs, rank)).model(target), lora, embedding)
    numeric = {"steps": steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    numeric |= {"beam": beam, "repetition_penalty": repetition_penalty, "max_new": max_new}
    numeric |= {"no_repeat_ngram_size": no_repeat_ngram_size}
    other = {"stop": stop or None, "json_schema": json_schema, "regex": regex}
    method = bounded(choose_sampler(model, sampler, guidance, numeric, other), interval, threshold)
    method = with_classifier(chosen, method, classifier_guidance, condition or [], target)
    refuse_inputs(out or chosen.directory / "samples", (sketch, source))
    requested = _condition(chosen, model, condition or [], prompt, (sketch, source), len(rows))
    if len(window := model.representation.shape) == 1:
        prompt_length = requested["prompt"].shape[1] if "prompt" in requested else 0
        decoding.announce_cropping(window[0], prompt_length, max_new)
    draw, folder = _ranked(model, best_of, ranker, target), _output(out, chosen, model, rows, film)
    unwanted = check_negative(chosen, model, negative, guidance)
    options = {"seed": seed, "negative": unwanted, "precision": choose_precision(precision)}
    if film:
        rank.once(lambda: _film(model, requested, method, rows[:FILMED], folder, options))
    _draw(chosen, draw, requested, method, rows, folder, rank, options, [FILM] if film else [])
    if show:
        rank.once(lambda: open_file(shown_file(folder)))


def _output(out: Path | None, run: "Run", model: Any, rows: list[int], film: bool) -> Path:
    """The folder or file to write.

    Errors: BadArgument for a file that cannot hold the samples, or a film, and for files of someone else.
    """
    medium = model.representation.medium
    check_output(out, medium, len(rows))
    if film:
        refuse_file(out, "--film")
    folder = out or run.directory / "samples"
    check_folder(folder, medium, rows, [SHEET, *([FILM] if film else [])])
    return folder


def _condition(
    run: "Run",
    model: Any,
    texts: list[str],
    prompt: str | None,
    files: tuple[Path | None, ...],
    rows: int,
) -> "dict[str, Tree]":
    """The conditions of every sample, by name; {}: none."""
    from morphogen.conditioning.named import names_of
    from morphogen.numerics.trees import tree_map

    specs = specs_of(run, model)
    names = {*specs, *names_of(model.conditioner)}
    chosen = choose_conditions(run, specs, texts) if texts else {}
    if prompt is not None:
        name = next((name for name in ("prompt", "source", CAPTION) if name in names), None)
        if name is None or name in chosen:
            raise BadArgument(_refused_prompt(run, prompt, name, "label" in specs))
        read = specs[CAPTION].parse if name == CAPTION else model.representation.tokenize
        chosen[name] = read(prompt)
    for name, file in zip(PICTURE_CONDITIONS, files, strict=True):
        if file is not None:
            chosen[name] = _picture(run, model, specs, name, file)
    check_complete(run, model, specs, chosen, texts)
    return tree_map(lambda one: one.expand(rows, *one.shape), chosen)


def _refused_prompt(run: "Run", prompt: str, name: str | None, has_classes: bool) -> str:
    """Why a model takes no prompt: it has none, or the same is given as a condition."""
    if name is not None:
        return f"--prompt {prompt!r}: --condition gives the {name} too; give one of the two"
    other = ", or give a class with --condition" if has_classes else ""
    return f"--prompt {prompt!r}: {run.where} does not accept a prompt; leave it out{other}"


def _picture(
    run: "Run", model: Any, specs: "Mapping[str, ConditionSpec]", name: str, file: Path
) -> "Float[Tensor, 'c h w']":
    """A picture as a condition. Errors: BadArgument if the model takes none of this name."""
    from morphogen.data.pictures import read_as

    spec: Any = specs.get(name)
    if spec is None or not hasattr(spec, "of_bytes"):
        what, systems = PICTURE_CONDITIONS[name]
        raise BadArgument(
            f"--{name} {file}: {run.where} does not accept {what}; omit it, or use a run of {systems}"
        )
    fitted = read_as(file, (spec.channels, *model.representation.shape[1:]))
    if fitted.note:
        echo(f"{file}: {fitted.note}")
    return spec.of_bytes(fitted.values)


def _ranked(model: Any, best_of: int, ranker: Path | None, device: str) -> Any:
    """The function that draws the samples: `model.sample`, or the best of several by a contrastive model.

    Errors: BadArgument for one of the two options without the other, and fewer than one sample.
    """
    from functools import partial

    from morphogen import inference
    from morphogen.run import Run

    if best_of < 1:
        raise BadArgument(f"--best-of {best_of}: give the number of samples to choose from, 2 or more")
    if (best_of > 1) != (ranker is not None):
        given = f"--best-of {best_of} needs" if ranker is None else f"--ranker {ranker} is of no use without"
        raise BadArgument(
            f"{given} {'--ranker RUN, of the system clip' if ranker is None else '--best-of 16'}"
        )
    if ranker is None:
        return model.sample
    return partial(inference.best_of, best_of, Run.open(ranker).model(device), model)


def _draw(
    run: "Run", draw: Any, condition: "dict[str, Tree]", sampler: Any, rows: list[int], folder: Path,
    rank: "Rank", options: dict[str, Any], others: list[str],
) -> None:  # fmt: skip
    """Draw the samples of these indices, save them and print what was drawn."""
    import torch

    from morphogen.cli.broken_rules import broken_rules, recorded_row
    from morphogen.evaluation.sheet import sheet

    indices = torch.tensor(rows)
    samples = draw(len(rows), condition or None, sampler=sampler, indices=indices, rank=rank, **options)
    shown = save_samples(run, samples, folder, rank, lambda pictures: sheet({"": pictures}), others)
    lines = samples.representation.medium.lines(samples, shown)
    notes = [f"{run.undertrained}; train it longer before judging it"] if run.undertrained else []
    if broken := broken_rules(recorded_row(run.directory, run.record.get("steps"))):
        notes.append(f"when it was measured, {broken}")
    drawn = f"{counted(len(rows), 'sample')} of {run.name} by {sampler!r} in {folder}"
    echo("\n".join([*([lines] if lines else []), drawn, *notes]))


def _film(
    model: Any,
    condition: "dict[str, Tree]",
    sampler: Any,
    rows: list[int],
    folder: Path,
    options: dict[str, Any],
) -> None:
    """Draw the samples of these indices and save their intermediate states as film.gif."""
    import torch

    from morphogen.evaluation.film import film, save_film
    from morphogen.numerics.trees import index, tree_map

    record = {"sampler": repr(sampler), "seed": options["seed"], "indices": rows} | options
    record["negative"] = tree_map(torch.Tensor.tolist, options["negative"] or {})
    n = len(rows)
    filmed = index(condition, slice(n))
    frames = film(model, n, sampler, condition=filmed or None, indices=torch.tensor(rows), **options)
    folder.mkdir(parents=True, exist_ok=True)
    save_film(frames, folder / FILM, record)
