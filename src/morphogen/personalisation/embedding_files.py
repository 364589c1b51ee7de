"""Files of learned tokens, with the names of diffusers, learned_embeds.safetensors.

    {"<my-object>": [k, D]}          the embeddings of a token of one or several vectors

Reference: An image is worth one word, Gal et al., 2022; names as in von Platen et al., 2022, "Diffusers".
"""

__all__ = ["read_embedding", "save_embedding"]

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from morphogen.component import ConfigError, first_line
from morphogen.files import write_bytes
from morphogen.networks.extended_vocabulary import embedding_of
from morphogen.personalisation.lora import last_stage
from morphogen.personalisation.textual_inversion import TextualInversion, caption_part


def save_embedding(model: Any, file: str | Path) -> None:
    """Write the embeddings of a model's token to a safetensors file.

    Errors: ConfigError for a model without a learned token.
    """
    if not isinstance(model, TextualInversion):
        raise ConfigError(
            f"save_embedding: {type(model).__name__} has no learned token: train one, "
            "TextualInversion(model, '<my-object>')"
        )
    embedding = model.embedding.detach().cpu().contiguous()
    write_bytes(Path(file), save({model.token: embedding}, {"format": "pt"}))


def read_embedding(model: Any, file: str | Path, token: str | None = None) -> TextualInversion:
    """The model with the token of a file, for its prompts; several files are read one after the other.

    Arguments:
        model: with captions, whose encoder has embeddings of this width; it is not changed.
        file: of `save_embedding` or of diffusers.
        token: how prompts write it; None: as the file names it.

    Errors: ConfigError, which begins with the path, for a file that is damaged or for another encoder.
    """
    file = Path(file)
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read ({first_line(error)[:80]}); give a safetensors file of a learned token"
        ) from None
    if len(tensors) != 1:
        raise ConfigError(f"{file} has {len(tensors)} tensors: give a file of one learned token")
    name, vectors = next(iter(tensors.items()))
    vectors = vectors.float().reshape(-1, vectors.shape[-1]) if vectors.ndim else vectors.view(1, 1)
    base = last_stage(model, "read_embedding")
    width = embedding_of(caption_part(base.conditioner).encoder).shape[1]
    if vectors.shape[1] != width or not len(vectors) or not vectors.isfinite().all():
        raise ConfigError(
            f"{file}: the embedding of {name[:40]!r} is {list(tensors[name].shape)}, the text encoder has "
            f"finite ones of width {width}: it is for another model"
        )
    inverted = TextualInversion(model, name if token is None else token, len(vectors))
    with torch.no_grad():
        inverted.embedding.copy_(vectors)
    return inverted.train(base.training)
