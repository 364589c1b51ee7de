"""RealNVP: an exact density of pictures by invertible steps (Dinh, Sohl-Dickstein & Bengio 2017)."""

__all__ = ["realnvp"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.families.flow import Flow, MultiScale
from morphogen.model import Model
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Dequantised, Logit, Pixels
from morphogen.systems import Size

_NUMBERS: dict[str, dict[str, Any]] = {
    "tiny": {"width": 8, "blocks": 1, "couplings": 2, "scales": 2, "grid": 4},
    "small": {"width": 32, "blocks": 1, "couplings": 4, "scales": 2, "grid": 4, "dropout": 0.2},
    "small, above 16 a side": {"width": 48, "blocks": 1, "couplings": 4, "scales": 2, "grid": 8, "dropout": 0.1},
    "paper": {"width": 64, "blocks": 8, "couplings": 3, "scales": 2},
}
_TRAINING: dict[str, tuple[float, int, float]] = {
    # learning rate, batch, average
    "tiny": (3e-3, 32, 0.9),
    "small": (3e-3, 32, 0.99),
    "small, above 16 a side": (4e-3, 32, 0.99),
    "paper": (1e-3, 64, 0.999),
}


def realnvp(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    r"""RealNVP (Dinh, Sohl-Dickstein & Bengio 2017), with a label if there are classes.

    Small, on digits, 30 s on two cores: 1.96 bits/dim.

        log P(x) >= E_u[log N(f(y); 0, I) + log|det df/dx|],   y = logit(alpha + (1 - 2 alpha) (x + u)),  alpha = 0.05

    where x in [0, 1] and u is uniform over x's bin (section 4.1).
    """
    vector = 32 if classes else 0
    numbers = "small, above 16 a side" if size == "small" and max(pixels.shape) > 16 else size
    lr, batch, ema = _TRAINING[numbers]
    return Model(
        Flow(MultiScale(pixels.shape, vector=vector, **_NUMBERS[numbers])),
        Logit(Dequantised(pixels), alpha=0.05),
        Label(classes, vector) if classes else None,
        Plan(AdamW(lr, weight_decay=0.01), batch=batch, schedule=Cosine(warmup=20), ema=ema, clip=5.0),
    )
