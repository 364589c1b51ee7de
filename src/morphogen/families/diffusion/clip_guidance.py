r"""Guidance by CLIP's gradient: samples of a diffusion model that fit a text, whatever it was trained on.

    score + s grad_(x_t) match(x_0(x_t), text),     match(x, y) = <f(x), g(y)>

The picture tower sees the predicted x_0 and not the noisy x_t, so that a CLIP of clean pictures serves; the
gradient passes through the denoiser. GLIDE instead trains a CLIP of noisy pictures (section 2.4).

References: GLIDE: towards photorealistic image generation and editing with text-guided diffusion models,
Nichol, Dhariwal, Ramesh et al., 2022; Universal guidance for diffusion models, Bansal et al., 2023.
"""

__all__ = ["CLIPGuided"]

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guidance
from morphogen.contract import Context, Sampler, Unsupported, x_mask_of
from morphogen.families.diffusion.classifier_guidance import add_to_score
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.targets import Denoised


class CLIPGuided(Guidance):
    """Sample pictures that fit a text by a contrastive model (Nichol et al. 2022; Bansal et al. 2023).

    Arguments:
        sampler: a diffusion sampler of pictures, with or without other guidance.
        matcher: `Matcher` of a trained contrastive model.
        scale: s, above 0; hundreds, because a match is a cosine.
        text: what the samples are to show; None: the caption of each row (the diffusion model may be
            unconditional).

    Raises ConfigError without a text and a caption.
    """

    def __init__(self, sampler: Sampler, matcher: Any, scale: float = 100.0, text: str | None = None):
        self.sampler, self.matcher, self.scale, self.text = sampler, matcher, scale, text

    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective with the guided prediction; see `Guided`. Errors: Unsupported for sets."""
        if x_mask_of(context) is not None:
            raise Unsupported("CLIPGuided takes pictures, not examples of different sizes: use Guided")
        captions = [self.text] if self.text is not None else context and context.condition.get("caption")
        if captions is None:
            raise ConfigError("CLIPGuided requires a text: give text=..., or a caption as the condition")
        wanted = self.matcher.captions(captions)
        return objective.steered(lambda predict: partial(self._predict, objective.schedule, predict, wanted))

    def _predict(
        self, process: ForwardProcess, predict: Any, wanted: Tensor, x_t: Tensor, t: Tensor,
        context: Context | None,
    ) -> Denoised:  # fmt: skip
        """The prediction with the gradient added to its score."""
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            prediction = predict(x_t, t, context)
            gradient = torch.autograd.grad(self._match(prediction.x_0, wanted).sum(), x_t)[0]
        fields = (value.detach() if isinstance(value, Tensor) else value for value in prediction)
        return add_to_score(Denoised(*fields), self.scale * gradient, process, t)

    def _match(self, x_0: Float[Tensor, "b c h w"], wanted: Float[Tensor, "n e"]) -> Float[Tensor, " b"]:
        """The match of each predicted picture; rows of a doubled batch repeat the texts."""
        embedded = self.matcher.model.objective.embed(self.matcher.fitted(x_0.clamp(-1, 1)))
        return (embedded * wanted.repeat(len(x_0) // len(wanted), 1)).sum(1)
