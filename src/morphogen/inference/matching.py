r"""How well pictures fit texts, by the embeddings of a trained contrastive model such as CLIP.

    match(x, y) = <f(x), g(y)>,     |f(x)| = |g(y)| = 1         the cosine, in [-1, 1]

Pictures of another size than the model's are resized, and grey ones have three equal channels.

Reference: Learning transferable visual models from natural language supervision (CLIP), Radford et al., 2021.
"""

__all__ = ["Matcher"]

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.conditioning.caption import CAPTION, caption_bytes
from morphogen.contract import Unsupported
from morphogen.modes import evaluating
from morphogen.other_words import other_word
from morphogen.representations.given import check_shape, medium_of, tensor_of
from morphogen.wrong_calls import explains_construction


@explains_construction
class Matcher:
    """Compares pictures with texts by the embeddings of a contrastive model (Radford et al. 2021).

    Arguments:
        model: a trained `Model` of pictures and captions, such as `clip`.

    Errors: Unsupported for a model of another kind.
    """

    def __init__(self, model: Any):
        objective = getattr(model, "objective", None)
        if not hasattr(objective, "embed_condition") or CAPTION not in model.conditioner.names:
            kind = type(model if objective is None else objective).__name__
            raise Unsupported(f"{kind} does not compare pictures with texts: give a model of the system clip")
        self.model = model

    def __getattr__(self, name: str) -> Any:
        """Errors: UnknownAttribute for what another library has; AttributeError."""
        raise other_word("matcher", name) or AttributeError(f"Matcher has no attribute {name!r}")

    @property
    def scale(self) -> float:
        """The learned inverse temperature: logits are `scale` times the cosine."""
        return float(self.model.objective.scale.detach())

    @torch.no_grad()
    def pictures(self, medium: Any, batch: int = 64) -> Float[Tensor, "n e"]:
        """Embeddings of pictures, of norm 1.

        Arguments:
            medium: pictures [N, C, H, W] in [-1, 1], or `Samples`.
            batch: pictures embedded at a time.

        Errors: ConfigError for something else, or another number of channels.
        """
        rows = self.fitted(tensor_of(medium_of(medium), "pictures"))
        with evaluating(self.model):
            return torch.cat([self.model.objective.embed(part) for part in rows.split(batch)])

    @torch.no_grad()
    def captions(self, texts: Sequence[str] | Int[Tensor, "m l"], batch: int = 256) -> Float[Tensor, "n e"]:
        """Embeddings of texts, or of captions as UTF-8 bytes [N, L], of norm 1.

        A text that is too long is truncated, with a warning. Errors: ConfigError for one that the model's
        tokenizer cannot spell.
        """
        rows = texts if isinstance(texts, Tensor) else caption_bytes(texts)
        self.model.conditioner.check(rows)
        with evaluating(self.model):
            parts = rows.to(self.model.device).split(batch)
            contexts = (self.model.context({CAPTION: part}, len(part)) for part in parts)
            return torch.cat([self.model.objective.embed_condition(context) for context in contexts])

    def similarity(self, medium: Any, texts: Sequence[str] | Int[Tensor, "m l"]) -> Float[Tensor, "n m"]:
        """The match of each picture with each text."""
        return self.pictures(medium) @ self.captions(texts).T

    def match(self, medium: Any, texts: Sequence[str] | Int[Tensor, "m l"]) -> Float[Tensor, " n"]:
        """The match of each picture with its own text. Errors: ConfigError for another number of texts."""
        pictures, captions = self.pictures(medium), self.captions(texts)
        if len(pictures) != len(captions):
            raise ConfigError(f"{len(captions)} texts for {len(pictures)} pictures: give one for each")
        return (pictures * captions).sum(1)

    def fitted(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        """Pictures as the model takes them, differentiable. Errors: ConfigError for other channels."""
        channels, height, width = self.model.representation.shape
        check_shape(pictures, (None, None, None), "pictures")
        if pictures.shape[1] not in (1, channels):
            arrays = "2 * torch.as_tensor(X).movedim(-1, 1) - 1 of arrays [N, H, W, C] from 0 to 1"
            how = arrays if pictures.shape[3] == channels else "converted"
            raise ConfigError(
                f"pictures have {pictures.shape[1]} channels, and the model takes {channels}: give them as "
                f"[N, {channels}, H, W] from -1 to 1, {how}"
            )
        rows = pictures.to(self.model.device).float().expand(-1, channels, -1, -1)
        if rows.shape[2:] == (height, width):
            return rows
        return F.interpolate(rows, (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
