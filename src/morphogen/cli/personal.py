"""Options of `train --from` that personalise a model, and the small files that it then writes.

    --lora-rank 4                low-rank updates                 RUN/lora.safetensors
    --new-token "<my-object>"    the embedding of a new token     RUN/learned_embeds.safetensors

With one of them or alone, `--class-caption "a star"` adds the prior preservation of DreamBooth.
"""

__all__ = [
    "PERSONAL", "SMALL_FILE_OPTIONS", "ClassCaption", "ClassExamples", "LoRARank", "NewToken",
    "PriorWeight", "option_of", "personalised", "rows_with_prior", "write_small_file",
]  # fmt: skip

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from morphogen.cli.bad_argument import BadArgument

LoRARank = Annotated[
    int | None,
    Option(help="with --from: train low-rank updates of this rank (LoRA), such as 4, and no other weights"),
]
NewToken = Annotated[
    str | None,
    Option(help="with --from: train the embedding of a new token, such as '<my-object>', and nothing else"),
]
ClassCaption = Annotated[
    str | None,
    Option(help="with --from: caption of the class of the object, which the model draws to preserve it"),
]
ClassExamples = Annotated[
    int | None, Option(help="number of examples of the class that the model draws (default: 100)")
]
PriorWeight = Annotated[
    float | None, Option(help="weight of the loss of the examples of the class (default: 1)")
]
PERSONAL = "lora_rank", "new_token", "class_caption", "class_examples", "prior_weight"  # settings of a run
OF_CLASS = PERSONAL[3:]
LORA_FILE, TOKEN_FILE = "lora.safetensors", "learned_embeds.safetensors"
SMALL_FILE_OPTIONS = {LORA_FILE: "lora", TOKEN_FILE: "embedding"}  # of `sample`, by file


def option_of(setting: str) -> str:
    """The option of a setting: --lora-rank of lora_rank."""
    return f"--{setting.replace('_', '-')}"


def personalised(model: Any, settings: Mapping[str, Any]) -> Any:
    """What is trained of a trained model: its low-rank updates, the embedding of a new token, or itself.

    Errors: BadArgument for both at once.
    """
    import torch

    from morphogen.personalisation import LoRA, TextualInversion

    rank, token = settings.get("lora_rank"), settings.get("new_token")
    if rank is not None and token is not None:
        raise BadArgument(f"--lora-rank {rank} and --new-token {token}: give one of the two")
    torch.manual_seed(settings["seed"])  # updates are initialized from torch's generator
    if rank is not None:
        return LoRA(model, rank)
    return model if token is None else TextualInversion(model, token)


def rows_with_prior(model: Any, rows: Any, settings: Mapping[str, Any]) -> Any:
    """The rows to train on, with examples of their class that the model draws, if a caption of it is given.

    Errors: BadArgument for options of the class without its caption.
    """
    from morphogen.personalisation import PriorPreservation, class_examples

    caption, count, weight = (settings.get(name) for name in PERSONAL[2:])
    if caption is None:
        if given := [name for name in OF_CLASS if settings.get(name) is not None]:
            raise BadArgument(f"{option_of(given[0])} {settings[given[0]]:g} needs --class-caption 'a star'")
        return rows
    prior = class_examples(model, caption, 100 if count is None else count, seed=settings["seed"])
    return PriorPreservation(rows, prior, 1.0 if weight is None else weight)


def write_small_file(model: Any, directory: Path) -> Path | None:
    """Write what was trained of a personalised model into its run; None: all weights were."""
    from morphogen.personalisation import LoRA, TextualInversion, save_embedding, save_updates

    if isinstance(model, LoRA):
        save_updates(model, file := directory / LORA_FILE)
        return file
    if isinstance(model, TextualInversion):
        save_embedding(model, file := directory / TOKEN_FILE)
        return file
    return None
