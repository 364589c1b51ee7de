"""morphogen: generative models of every family under one contract.

    import morphogen as mg
    data = mg.load_data("digits")
    model = mg.build_system("ddpm", data.representation, data.conditions)
    mg.train(model, data.train, time=60)
    model.sample(16, condition=3, sampler=mg.Guided(mg.DDIM(steps=25), scale=3.0)).save("threes")

Names are imported on first use: `import morphogen` loads neither torch nor a family. Other public modules are
`samplers`, `systems`, `data`, `metrics`, `networks`, `representations`, `conditioning`, `families`,
`inference` and `personalisation`.
"""

from morphogen.lazy import attach

_HOMES = {
    "__version__": "_version",
    "Adam": "plan",
    "AdamW": "plan",
    "Ancestral": "families.autoregressive.decoding",
    "Batch": "contract",
    "Beam": "families.autoregressive.beam",
    "Cascade": "staged",
    "Classes": "conditioning.specs",
    "Component": "component",
    "Conditioner": "contract",
    "Context": "contract",
    "Cosine": "plan",
    "DDIM": "families.diffusion.samplers",
    "DDPM": "families.diffusion.samplers",
    "Encoded": "contract",
    "Greedy": "families.autoregressive.decoding",
    "Guided": "conditioning.guidance",
    "Likelihood": "contract",
    "LoRA": "personalisation.lora",
    "Losses": "contract",
    "Model": "model",
    "Objective": "contract",
    "Plan": "plan",
    "Representation": "contract",
    "Rng": "numerics.randomness",
    "Run": "run",
    "Sampler": "contract",
    "Staged": "staged",
    "Trainable": "contract",
    "Unsupported": "contract",
    "build_system": "catalogue",
    "check_model": "testing",
    "impute": "inference.imputation",
    "load": "loading",
    "load_data": "data",
    "logits_processors": "families.autoregressive.decoding",
    "restore": "inference.restoration",
    "save": "model",
    "train": "training.loop",
}
_MODULES = (
    "conditioning",
    "data",
    "families",
    "inference",
    "metrics",
    "networks",
    "personalisation",
    "representations",
    "samplers",
    "systems",
)

__getattr__, __dir__, __all__ = attach(__name__, _HOMES, _MODULES)
