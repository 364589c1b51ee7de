r"""PixelCNN++: an autoregressive model of whole pixels, each a mixture of discretised logistics.

    P(v) = sum_k pi_k [F((v + d - mu_k) / s_k) - F((v - d - mu_k) / s_k)],   pi, mu, s from the pixels before

The network has two streams at several resolutions.

Paper: PixelCNN++: Improving the PixelCNN with discretized logistic mixture likelihood and other
modifications, Salimans, Karpathy, Chen & Kingma, 2017; 2.92 bits/dim on CIFAR-10.
"paper": the defaults of the authors' code, 5 layers of 160 features at each of 3 resolutions, 10 mixture
components, dropout 0.5. Weight normalisation is left out.
Measured: recipes/results/fashion-pixels.json.
"""

__all__ = ["pixelcnn_pp"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive
from morphogen.families.autoregressive.logistic_mixture import LogisticMixture, parameters_per_pixel
from morphogen.model import Model
from morphogen.networks.pixelcnn_pp import PixelCNNPP
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels, Quantised
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # layers per resolution; components of the logistic mixture
    "tiny": {"width": 6, "layers": 1, "resolutions": 2, "components": 2, "label_width": 8, "dropout": 0.0},
    "small": {
        "width": 32,
        "layers": 1,
        "resolutions": 3,
        "components": 10,
        "label_width": 32,
        "dropout": 0.0,
    },
    "paper": {
        "width": 160,
        "layers": 5,
        "resolutions": 3,
        "components": 10,
        "label_width": 160,
        "dropout": 0.5,
    },
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 32, "ema": 0.99},
    "small": {"lr": 3e-3, "batch": 32, "ema": 0.99},
    "paper": {"lr": 1e-3, "batch": 16, "ema": 0.9995},
}


def pixelcnn_pp(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """PixelCNN++ with exact bits/dim; class-conditional if there are labels."""
    sizes, training = SIZES[size], TRAINING[size]
    components, vector = sizes["components"], sizes["label_width"] if label else 0
    network = PixelCNNPP(
        pixels.shape,
        pixels.levels,
        parameters_per_pixel(pixels.shape[0], components),
        sizes["width"],
        sizes["layers"],
        sizes["resolutions"],
        sizes["dropout"],
        vector,
    )
    objective = Autoregressive(LogisticMixture(network, pixels.levels, components))
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    plan = Plan(
        AdamW(training["lr"], betas=(0.9, 0.99), weight_decay=0.01),
        batch=training["batch"],
        schedule=Cosine(warmup=20),
        ema=training["ema"],
        clip=1.0,
    )
    return Model(objective, Quantised(pixels), conditioner, plan)
