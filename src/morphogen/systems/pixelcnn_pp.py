r"""PixelCNN++: whole pixels, two streams at several resolutions, and for each pixel a mixture of logistics instead of a softmax.

    P(v) = sum_k pi_k [F((v + d - mu_k) / s_k) - F((v - d - mu_k) / s_k)],     pi, mu, s of the pixels before

Paper: PixelCNN++: Improving the PixelCNN with discretized logistic mixture likelihood and other modifications, Salimans, Karpathy, Chen &
Kingma, 2017; 2.92 bits/dim on CIFAR-10. "paper": the defaults of the authors' code, 5 layers of 160 features at each of 3 resolutions,
10 mixtures, dropout 0.5. Weight normalisation is left out. Figure of this page: recipes/results/fashion-pixels.json.
"""

__all__ = ["pixelcnn_pp"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.autoregressive import Autoregressive
from morphogen.families.autoregressive.laws import LogisticMixture, numbers
from morphogen.model import Model
from morphogen.networks.pixelcnn_pp import PixelCNNPP
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels, Quantised
from morphogen.systems import Size

SIZES = {
    # width, layers, resolutions, mixtures, label, dropout, batch, learning rate, average
    "tiny": (6, 1, 2, 2, 8, 0.0, 32, 3e-3, 0.99),
    "small": (32, 1, 3, 10, 32, 0.0, 32, 3e-3, 0.99),
    "paper": (160, 5, 3, 10, 160, 0.5, 16, 1e-3, 0.9995),
}


def pixelcnn_pp(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits/dim, given a label if there are `classes`."""
    width, resnets, scales, mixtures, label, dropout, batch, lr, ema = SIZES[size]
    vector, outputs = label if classes else 0, numbers(pixels.shape[0], mixtures)
    network = PixelCNNPP(pixels.shape, pixels.levels, outputs, width, resnets, scales, dropout, vector)
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    plan = Plan(AdamW(lr, betas=(0.9, 0.99), weight_decay=0.01), batch=batch, schedule=Cosine(warmup=20), ema=ema, clip=1.0)
    return Model(Autoregressive(LogisticMixture(network, pixels.levels, mixtures)), Quantised(pixels), conditioner, plan)
