"""The families of generative models: one package each, with an objective, its parts and its samplers."""

from morphogen.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__, {}, ("autoregressive", "classical", "contrastive", "diffusion", "flow", "gan", "vae")
)
