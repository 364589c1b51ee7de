r"""Textual inversion: a new word for an object, learned from a few pictures by a model that stays frozen.

    v* = argmin_v  E |eps - eps_theta(z_t, t, c(caption with v))|^2,     v [k, D] embeddings of the new token

    inverted = TextualInversion(model, "<my-object>", like="star")
    mg.train(inverted, (pictures, ["a picture of <my-object>"] * 5), steps=500)
    inverted.sample(4, "a <my-object> above a red circle")

An image is worth one word: Personalizing text-to-image generation using textual inversion, Gal, Alaluf,
Atzmon, Patashnik, Bermano, Chechik & Cohen-Or, 2022, equation 2.
"""

__all__ = ["TextualInversion", "caption_part"]

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.added_token import AddedToken
from morphogen.conditioning.caption import Caption
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.frozen import Frozen
from morphogen.contract import Batch, Conditioner
from morphogen.model import Model
from morphogen.networks.extended_vocabulary import ExtendedVocabulary, embedding_of
from morphogen.numerics.randomness import Rng
from morphogen.personalisation.lora import last_stage
from morphogen.plan import Adam, Plan

TRAINING = Plan(Adam(5e-3), batch=16)


class TextualInversion(Model):
    """A trained model of captioned examples with a new token, whose embeddings alone are trained.

    Gal et al. 2022. Prompts may have the token like any word; other prompts give the same samples as before.

    Arguments:
        model: trained on captions; it is not changed. Of a `Staged`, the last stage is personalised.
        token: the new token.
        vectors: k, number of its embeddings; they take k positions of a caption.
        like: words of which the mean embedding is the start, such as the class of the object; None: the mean
            of all embeddings.
        plan: of the training; None: Adam with learning rate 5e-3, 16 examples per batch.

    Errors: ConfigError for a model without captions, a token that is no word or known, and fewer than one
    embedding.
    """

    def __init__(
        self, model: Any, token: str, vectors: int = 1, like: str | None = None, plan: Plan | None = None
    ):
        base = last_stage(model, "TextualInversion")
        conditioner = _replaced(base.conditioner, lambda caption: _with_token(caption, token, vectors, like))
        super().__init__(base.objective, base.representation, conditioner, TRAINING if plan is None else plan)
        self.model, self.token, self.vectors, self.like = model, token, vectors, like
        self.specs = base.specs

    @property
    def embedding(self) -> Float[Tensor, "k d"]:
        """The embeddings of the token."""
        encoder: Any = caption_part(self.conditioner).encoder
        return encoder.added

    def players(self) -> dict[str, list[nn.Parameter]]:
        """The embeddings of the token, in the turn of the first player."""
        first, *others = self.objective.players()
        learned: Any = self.embedding
        return {first: [learned], **{name: [] for name in others}}

    def prepare(self, batch: Batch, rng: Rng) -> None:
        """Do nothing: the model was prepared on the data that it was trained on."""


def caption_part(conditioner: Any) -> Caption:
    """The conditioner of captions inside others. Errors: ConfigError for a model without captions."""
    found: list[Caption] = []

    def keep(caption: Caption) -> Caption:
        found.append(caption)
        return caption

    _replaced(conditioner, keep)
    return found[0]


def _with_token(caption: Caption, token: str, vectors: int, like: str | None) -> Caption:
    """Captions with a new token, whose encoder is frozen."""
    encoder = ExtendedVocabulary(caption.encoder, vectors)
    table = embedding_of(caption.encoder)
    if like is not None:
        ids = caption.ids(like)
        if not ids:
            raise ConfigError(f"TextualInversion: like={like!r} has no tokens: give words like the object")
        with torch.no_grad():
            encoder.added.copy_(table[ids].mean(0).expand(vectors, -1))
    return Caption(AddedToken(caption.tokenizer, token, len(table), vectors), encoder)


def _replaced(conditioner: Conditioner | None, change: Callable[[Caption], Caption]) -> Any:
    """The conditioner with its captions changed; within `Frozen`, gradients now reach what they change to.

    Errors: ConfigError for a model without captions.
    """
    inner: Any = conditioner
    if isinstance(inner, Caption):
        return change(inner)
    if isinstance(inner, Frozen):
        return _replaced(inner.conditioner, change)
    if isinstance(inner, Conditions) and "caption" in inner.parts:
        return _joined(inner, _replaced(inner.parts["caption"], change))
    if hasattr(inner, "conditioner"):
        return _wrapping(inner, _replaced(inner.conditioner, change))
    kind = "a model without conditions" if inner is None else type(inner).__name__
    raise ConfigError(f"a new token needs a model of captions, not {kind}: train latent_diffusion")


def _wrapping(wrapper: Any, inner: Conditioner) -> Any:
    """The same wrapper, with its weights, of another conditioner."""
    changed = type(wrapper)(**wrapper.arguments | {"conditioner": inner})
    for name, part in wrapper.named_children():
        if name != "conditioner":
            setattr(changed, name, part)
    return changed


def _joined(conditions: Conditions, caption: Conditioner) -> Conditions:
    """The same conditions, with their weights, and another conditioner of captions."""
    changed = Conditions(**{**conditions.parts, "caption": caption})
    changed.project = conditions.project
    return changed
