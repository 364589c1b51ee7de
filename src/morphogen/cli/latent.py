"""`morphogen latent [RUN]`: pictures and figures of the latent space of an autoencoder."""

__all__ = ["latent"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.arguments import choose_device, open_file
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.drawing import Show
from morphogen.cli.echo import echo
from morphogen.cli.options import Device, Runs
from morphogen.cli.output_file import refuse_file, refuse_foreign
from morphogen.cli.run_choice import choose_run
from morphogen.counted import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image
    from torch import Tensor

    from morphogen.contract import Batch
    from morphogen.run import Run

USAGE = "usage.json"
MAPPED, PAIRS, SHOWN = 1000, 12, 9  # examples of map and traversals, interpolations, reconstructions

RunDirectory = Annotated[
    Path | None, Argument(help="a run directory (default: the newest finished one in the folder of --runs)")
]
Attribute = Annotated[
    str | None,
    Option(
        metavar="FROM:TO",
        help="also move examples of one class towards another: sneaker:bag (of a model without classes)",
    ),
]
Out = Annotated[Path | None, Option(help="output directory (default: RUN/latent)")]


def latent(
    run: RunDirectory = None, attribute: Attribute = None, out: Out = None, show: Show = False,
    runs: Runs = Path("runs"), device: Device = "auto",
) -> None:  # fmt: skip
    """Draw and measure the latent space of a model with an encoder, such as a VAE, from held-out examples.

    Writes reconstructions.png, interpolations.png, traversals.png, map.png and, with --attribute,
    attribute.png; and usage.json: how many units are active, their divergence and mutual information.
    """
    from morphogen.evaluation import latent_figures as figures
    from morphogen.inference import LatentSpace
    from morphogen.run_data import read_data

    refuse_file(out, "latent")
    chosen = choose_run(run, runs)
    space = LatentSpace(chosen.model(choose_device(device)))
    data = read_data(chosen.record["settings"], chosen.directory, space.model.representation)
    examples: Any = data.test.first(MAPPED)
    few, pairs = _first(space, examples, SHOWN), _first(space, examples, PAIRS)
    all_of_them = _first(space, examples, len(examples))
    picture, share = figures.latent_map(space, *all_of_them, examples.condition.get("label"))
    pictures = {"reconstructions": figures.reconstructions(space, *few), "map": picture}
    if not isinstance(space.model.objective.latent_shape, dict):
        pictures |= {
            "interpolations": figures.interpolations(space, *pairs),
            "traversals": figures.traversals(space, *all_of_them),
        }
    if attribute is not None:
        pictures["attribute"] = _attribute(chosen, space, examples, attribute)
    folder = _save(chosen, pictures, out)
    echo(f"map: the two axes hold {share:.0%} of the variance of {len(examples)} held-out latents")
    _measure(chosen, space, all_of_them, folder)
    if show:
        open_file(folder / "reconstructions.png")


def _save(run: "Run", pictures: "Mapping[str, Image]", out: Path | None) -> Path:
    """Save the pictures and return their folder. Errors: BadArgument for files of someone else in it."""
    from morphogen.data.walk import is_stamped
    from morphogen.media.pictures import stamp

    folder = out or run.directory / "latent"
    if out is not None:  # in the run's own folder no file is of someone else
        refuse_foreign((out / name for name in (*map("{}.png".format, pictures), USAGE)), is_stamped)
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in pictures.items():
        image.save(folder / f"{name}.png", pnginfo=stamp(_facts(run)))
        echo(str(folder / f"{name}.png"))
    return folder


def _facts(run: "Run") -> dict[str, Any]:
    """What was drawn or measured; its files are known as morphogen's own by the versions."""
    return {"run": run.name} | {key: run.record.get(key) for key in ("system", "data", "versions")}


def _measure(run: "Run", space: Any, examples: "tuple[Tensor, dict[str, Any]]", folder: Path) -> None:
    """Print and save what the latents carry."""
    from morphogen.evaluation.latent_usage import latent_usage, usage_lines
    from morphogen.files import write_json

    usage = latent_usage(space, *examples)
    write_json(folder / USAGE, _facts(run) | usage)
    echo("\n".join(usage_lines(usage)))


def _first(space: Any, examples: "Batch", n: int) -> "tuple[Tensor, dict[str, Any]]":
    """The first n examples, and the conditions of them that the model takes."""
    import torch

    part = examples[torch.arange(min(n, len(examples)))]
    return part.medium, dict(space.model.taken(part.condition))


def _attribute(run: "Run", space: Any, examples: "Batch", text: str) -> Any:
    """Examples of the first class, moved towards the second. Errors: BadArgument for wrong classes."""
    from morphogen.data import load_data
    from morphogen.evaluation.latent_figures import attributes
    from morphogen.run_data import locate

    names = text.split(":")
    label = examples.condition.get("label")
    if len(names) != 2 or label is None:
        raise BadArgument(f"--attribute {text}: write two classes of the data as FROM:TO")
    if "label" in space.model.taken(examples.condition):
        raise BadArgument(
            f"--attribute {text}: the model is told the class; train one without: --condition none"
        )
    # the labels of the data, which a model trained with --condition none ignores
    label_spec: Any = load_data(locate(run.record["settings"], "data", run.directory)).conditions["label"]
    first, second = (label_spec.parse(name) for name in names)
    _check_held_out(text, label, label_spec.names, int(first), int(second))
    part = examples[((label == first) | (label == second)).nonzero().flatten()]
    return attributes(space, part.medium, part.condition["label"] == second)


def _check_held_out(text: str, label: "Tensor", names: "Sequence[str]", *chosen: int) -> None:
    """Errors: BadArgument unless two different classes are chosen that have held-out examples."""
    there = sorted({*label.tolist()})
    if len({*chosen}) == 1:
        raise BadArgument(f"--attribute {text}: is one class; write two classes of the data as FROM:TO")
    if absent := [names[i] for i in chosen if i not in there]:
        known = ", ".join(names[i] for i in there[:SHOWN]) + ", ..." * (len(there) > SHOWN)
        none = f"none of the {counted(len(label), 'held-out example')} drawn has the class {absent[0]!r}"
        raise BadArgument(f"--attribute {text}: {none}; choose two of {known}")
