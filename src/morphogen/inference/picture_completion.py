r"""Completion: an autoregressive model draws the lower part of a picture, given the upper one.

    x_>P ~ p(x_>P | x_<=P, c),     x_<=P the places of the given rows, in raster order

It is the prompt of a language model: the rows may be pixels, or codes of an autoencoder. The encoder of codes
sees the lower part of a picture too; so this part is first replaced by copies of the last given row, and the
codes tell nothing about it.

References: Zero-shot text-to-image generation (DALL-E), Ramesh et al., 2021, whose codes are completed so;
Pixel recurrent neural networks, van den Oord et al., 2016, figure 1, for pixels.
"""

__all__ = ["Completion"]

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler, Unsupported
from morphogen.inference.editing import Edit
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import raster
from morphogen.typed import check_fields
from morphogen.wrong_calls import explains_construction


@explains_construction
@dataclass(frozen=True)
class Completion(Edit):
    """Keep the first rows of pixels of a picture exactly, and draw the others.

    Arguments:
        rows: number of rows that are kept; of codes, a multiple of the rows of pixels that a code has.
    """

    rows: int

    def __post_init__(self) -> None:
        check_fields(self)

    def check_model(self, model: Any) -> None:
        name = type(model.objective).__name__
        if not hasattr(model.objective, "token_log_probs"):
            raise Unsupported(
                f"{name} does not draw a picture row by row, only autoregressive models do, such as dalle: "
                "use Inpaint(mask) of a diffusion model"
            )
        if len(model.representation.source.shape) != 3 or len(model.representation.shape) not in (2, 3):
            raise Unsupported(f"{name} models no pictures, or no rows of them: give a model such as dalle")

    def check(self, model: Any, condition: Any) -> None:
        height, places = model.representation.source.shape[1], model.representation.shape[-2]
        cell = height // places
        if not 0 < self.rows < height or self.rows % cell:
            few = f"a multiple of {cell} " if cell > 1 else ""
            raise ConfigError(
                f"Completion: rows={self.rows} of {height}: give {few}from {cell} to {height - cell}"
            )

    def shown(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The given rows, and the last of them again and again."""
        last = pictures[:, :, self.rows - 1 : self.rows]
        return torch.cat([pictures[:, :, : self.rows], last.expand_as(pictures[:, :, self.rows :])], 2)

    def apply(
        self, model: Any, x: Shaped[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler
    ) -> Shaped[Tensor, "b ..."]:
        shape, height = tuple(x.shape[1:]), model.representation.source.shape[1]
        places = self.rows * math.prod(shape) // height
        given = replace(context or Context(), prefix=raster(x, shape)[:, :places])
        return sampler(model.objective, shape, given, rng)

    def composite(
        self, edited: Float[Tensor, "n c h w"], given: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c h w"]:
        return torch.cat([given[:, :, : self.rows], edited[:, :, self.rows :]], 2)

    @property
    def record(self) -> dict[str, Any]:
        return {"kept_rows": self.rows}
