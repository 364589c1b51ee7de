"""Samplers of every family, with guidance, timestep spacings and logits processors."""

from morphogen.lazy import attach

_HOMES = {
    "Ancestral": "families.autoregressive",
    "AnnealedLangevin": "families.diffusion",
    "Beam": "families.autoregressive",
    "CLIPGuided": "families.diffusion",
    "ClassifierGuided": "families.diffusion",
    "ColumnSampler": "families.autoregressive",
    "D3PMSampler": "families.diffusion",
    "DDIM": "families.diffusion",
    "DDPM": "families.diffusion",
    "DPMSolver": "families.diffusion",
    "DPMSolverSDE": "families.diffusion",
    "DynamicThreshold": "families.diffusion",
    "Euler": "families.diffusion",
    "EulerMaruyama": "families.diffusion",
    "FlowSampler": "families.flow",
    "GANSampler": "families.gan",
    "Greedy": "families.autoregressive",
    "Guided": "conditioning.guidance",
    "Heun": "families.diffusion",
    "JsonSchema": "families.autoregressive",
    "KarrasTimesteps": "families.diffusion",
    "MaxNewTokens": "families.autoregressive",
    "MixedFlowSampler": "families.flow",
    "MixedMixtureSampler": "families.classical.mixed_mixture",
    "MixtureSampler": "families.classical.mixture",
    "MultistepConsistency": "families.diffusion",
    "PredictorCorrector": "families.diffusion",
    "PromptGuided": "families.autoregressive",
    "PromptLookup": "families.autoregressive",
    "Regex": "families.autoregressive",
    "StopStrings": "families.autoregressive",
    "TruncationSampler": "families.gan",
    "UniformLogSNR": "families.diffusion",
    "UniformTimesteps": "families.diffusion",
    "VAESampler": "families.vae",
    "logits_processors": "families.autoregressive",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
