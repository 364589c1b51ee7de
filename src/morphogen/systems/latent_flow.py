r"""A flow as the prior of a VAE's latents: the autoencoder makes few numbers of a picture, the flow learns their law."""

__all__ = ["latent_flow"]

from morphogen.compose import Staged
from morphogen.conditioning.label import Label
from morphogen.families.flow import Flow, SingleScale
from morphogen.model import Model
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.vae import vae

_NUMBERS: dict[Size, tuple[int, int, int, float, int, float]] = {
    # width, layers, couplings, dropout; batch, ema
    "tiny": (16, 1, 4, 0.0, 32, 0.9),
    "small": (128, 1, 6, 0.1, 64, 0.99),
    "paper": (512, 2, 16, 0.1, 128, 0.999),
}


def latent_flow(pixels: Pixels, classes: int = 0, size: Size = "small") -> Staged:
    r"""A VAE (Kingma & Welling 2013) with a RealNVP prior (Dinh et al. 2017), the two trained in turn.

    Small, on digits, 30 s on two cores: 2.01 bits/dim.

        log p(x) >= log p(x | z) + log N(f(z); 0, I) + log|det df/dz| - log q(z | x),   z ~ q(z | x)

    As in the variational lossy autoencoder (Chen et al. 2017), a learned prior p(z) in the place of N(0, I) closes the gap to
    the aggregate posterior; the label, if there are classes, is the prior's alone.
    """
    width, layers, couplings, dropout, batch, ema = _NUMBERS[size]
    vector = 32 if classes else 0
    first = vae(pixels, size=size)
    latent = Latent(first)
    prior = Model(
        Flow(SingleScale(latent.shape[0], width, layers, couplings, vector, dropout)),
        latent,
        Label(classes, vector) if classes else None,
        Plan(AdamW(3e-3, weight_decay=0.01), batch=batch, schedule=Cosine(warmup=20), ema=ema, clip=5.0),
    )
    return Staged(autoencoder=first, prior=prior)
