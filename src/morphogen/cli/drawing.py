"""Options that `sample` and `edit` share, and how both save their samples."""

__all__ = [
    "ClassifierGuidance",
    "CAPTION",
    "Condition",
    "Guidance",
    "Interval",
    "EmbeddingFiles",
    "LoRAFiles",
    "Negative",
    "SamplerName",
    "Show",
    "SketchFile",
    "SourceFile",
    "Steps",
    "Temperature",
    "Threshold",
    "bounded",
    "caption_of",
    "check_negative",
    "save_samples",
    "specs_of",
    "with_classifier",
    "with_small_files",
]

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from morphogen.cli.arguments import choose_class, choose_label
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.output_file import is_output_file, write_output

if TYPE_CHECKING:
    from PIL.Image import Image

    from morphogen.contract import ConditionSpec
    from morphogen.rank import Rank
    from morphogen.run import Run
    from morphogen.samples import Samples

SHEET, CAPTION = "sheet.png", "caption"

Condition = Annotated[
    list[str] | None,
    Option(
        help="class of the samples, by name, or index:7 for a place (default: a random class per sample); "
        "NAME=VALUE for a model of several conditions, may be given several times"
    ),
]
Negative = Annotated[
    str | None,
    Option(
        "--negative",
        "--negative-prompt",
        help="class, or caption, that guidance moves away from (default: the unconditional prediction)",
    ),
]
SamplerName = Annotated[
    str | None, Option(help="sampler: ddpm, ddim, heun, ancestral, greedy, ... (default: the model's own)")
]
Steps = Annotated[
    int | None, Option(help="diffusion and flows: number of network evaluations (default: the sampler's)")
]
Temperature = Annotated[
    float | None, Option(help="scale of the randomness: below 1 less diverse, above 1 more (default: 1)")
]
Guidance = Annotated[float, Option(help="scale of classifier-free guidance towards the condition; 1: off")]
Interval = Annotated[
    str | None,
    Option(
        "--guidance-interval",
        help="LOW,HIGH: guide at these times of the process only, such as 100,900 of 1000 (default: always)",
    ),
]
Threshold = Annotated[
    float | None,
    Option(
        "--dynamic-threshold",
        help="clip the predicted picture at this quantile of its values, such as 0.995 (default: at the "
        "range of the data, and latents not at all)",
    ),
]
Show = Annotated[bool, Option("--open", help="open the sheet of samples in the desktop's viewer")]
ClassifierGuidance = Annotated[
    float | None,
    Option(
        "--classifier-guidance",
        help="scale of guidance by the classifier of `morphogen train-classifier`; 1: Bayes' rule "
        "(default: off)",
    ),
]
SketchFile = Annotated[
    Path | None, Option("--sketch", help="picture of edges, white on black, to condition on")
]
LoRAFiles = Annotated[
    list[str] | None,
    Option(
        "--lora",
        help="safetensors file of low-rank updates, with their scale as FILE:0.8 (default: 1); several are "
        "stacked",
    ),
]
EmbeddingFiles = Annotated[
    list[Path] | None,
    Option("--embedding", help="safetensors file of a learned token, for the captions; several are read"),
]
SourceFile = Annotated[Path | None, Option("--source", help="picture to translate, of cyclegan's other kind")]


def bounded(sampler: Any, interval: str | None, quantile: float | None) -> Any:
    """The sampler, or those of stages, guided at times of the interval only, with dynamic thresholding.

    Errors: BadArgument for an interval without guidance, another kind of sampler, and values out of range.
    """
    if isinstance(sampler, Mapping):
        return {stage: bounded(one, interval, quantile) for stage, one in sampler.items()}
    return _with_threshold(_with_interval(sampler, interval), quantile)


def with_small_files(model: Any, updates: Sequence[str] | None, embeddings: Sequence[Path] | None) -> Any:
    """The model with the low-rank updates of files, stacked, and the learned tokens of others.

    Errors: BadArgument for a scale that is no number.
    """
    from morphogen.component import ConfigError
    from morphogen.interop.lora_files import read_lora
    from morphogen.personalisation import read_embedding

    for given in updates or ():
        name, _, scale = given.rpartition(":") if not Path(given).exists() else (given, "", "1")
        try:
            model = read_lora(model, name or given, float(scale) if name else 1.0)
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise BadArgument(f"--lora {given}: {scale!r} is no scale: write FILE:0.8") from None
    for file in embeddings or ():
        model = read_embedding(model, file)
    return model


def with_classifier(run: "Run", sampler: Any, scale: float | None, conditions: list[str], device: str) -> Any:
    """The sampler with classifier guidance, if a scale is given. Errors: BadArgument without a condition."""
    from morphogen.families.diffusion import ClassifierGuided
    from morphogen.guidance_classifier import load_classifier

    if scale is None:
        return sampler
    if not conditions:
        raise BadArgument(f"--classifier-guidance {scale:g} requires a class: add --condition CLASS")
    label = next((text for text in conditions if text.startswith("label=")), conditions[0])
    return ClassifierGuided(sampler, load_classifier(run, device), scale, choose_class(run, label))


def specs_of(run: "Run", model: Any) -> "dict[str, ConditionSpec]":
    """What the model, or any stage of a cascade, can be conditioned on, by name."""
    from morphogen.conditioning.named import own_specs

    taken: dict[str, ConditionSpec] = model.taken(
        {**own_specs(model.conditioner), **run.conditions, **model.specs}
    )
    return taken


def caption_of(run: "Run", model: Any, text: str) -> dict[str, Any] | None:
    """A text as a caption, for all rows; None: no stage of the model takes captions."""
    spec: Any = specs_of(run, model).get(CAPTION)
    return None if spec is None else {CAPTION: spec.parse(text)[None]}


def check_negative(run: "Run", model: Any, negative: str | None, guidance: float) -> dict[str, Any] | None:
    """The negative class or caption as a condition. Errors: BadArgument without guidance."""
    if negative is None:
        return None
    if guidance == 1:
        raise BadArgument(f"--negative {negative} requires guidance: add --guidance 3")
    return caption_of(run, model, negative) or choose_label(run, negative, "--negative")


def save_samples(
    run: "Run", samples: "Samples", folder: Path, rank: "Rank", arrange: Callable[[list[Any]], "Image"],
    others: Sequence[str] = (),
) -> list[Any]:  # fmt: skip
    """Save samples, their record and sheet.png; or all of them in one file.

    Arguments:
        run: the run that drew the samples; it is named in their record.
        samples: the samples.
        folder: output folder, or a file (see `output_file`).
        rank: rank of this process; the first one writes the sheet.
        arrange: makes the sheet from the displayable samples.
        others: names of further files in the folder that belong to the samples.

    Returns:
        the samples in a form that can be displayed.
    """
    from dataclasses import replace

    from morphogen.media.pictures import stamp

    record = run.record
    facts = {
        "run": run.name,
        "system": record["system"],
        "data": record["data"],
        "versions": record.get("versions"),
    }
    samples = replace(samples, settings=facts | samples.settings)
    shown = samples.to_displayable()
    if is_output_file(folder):
        rank.once(lambda: write_output(folder, samples, lambda: arrange(shown)))
        return shown
    samples.save(folder, rank, [SHEET, *others])
    rank.once(lambda: arrange(shown).save(folder / SHEET, pnginfo=stamp(samples.record)))
    return shown


def _with_interval(sampler: Any, interval: str | None) -> Any:
    """The sampler, guided at these times only. Errors: BadArgument without guidance, or for other words."""
    if interval is None:
        return sampler
    if not hasattr(sampler, "interval"):
        raise BadArgument(f"--guidance-interval {interval} requires guidance: add --guidance 3")
    try:
        low, high = map(float, interval.split(","))
    except ValueError:
        raise BadArgument(f"--guidance-interval {interval}: write two times, such as 100,900") from None
    return type(sampler)(**sampler.arguments | {"interval": (low, high)})


def _with_threshold(sampler: Any, quantile: float | None) -> Any:
    """The sampler with dynamic thresholding. Errors: BadArgument for another kind of sampler or range."""
    from morphogen.families.diffusion import DynamicThreshold

    if quantile is None:
        return sampler
    if not 0 < quantile <= 1:
        raise BadArgument(
            f"--dynamic-threshold {quantile:g}: give a quantile above 0, up to 1, such as 0.995"
        )
    if hasattr(sampler, "sampler"):  # guidance around it
        inside = _with_threshold(sampler.sampler, quantile)
        return type(sampler)(**sampler.arguments | {"sampler": inside})
    if "clip" not in sampler.arguments:
        name = type(sampler).__name__
        raise BadArgument(
            f"--dynamic-threshold {quantile:g}: is for diffusion models, not {name}; leave it out"
        )
    return type(sampler)(**sampler.arguments | {"clip": DynamicThreshold(quantile)})
