"""morphogen: generative models of every family under one contract.

    import morphogen as mg
    data = mg.load_data("digits")
    model = mg.system("ddpm", data.representation, len(data.classes))
    mg.train(model, data.train, time=60)
    model.sample(16, condition=3, sampler=mg.Guided(mg.DDIM(steps=25), scale=3.0)).save("threes")

Names are imported when first used: `import morphogen` loads neither torch nor a family.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Ancestral": "families.autoregressive.decoding",
    "Beam": "families.autoregressive.beam",
    "DDIM": "families.diffusion.samplers",
    "DDPM": "families.diffusion.samplers",
    "Greedy": "families.autoregressive.decoding",
    "Guided": "conditioning.guidance",
    "Model": "model",
    "Run": "run",
    "Staged": "compose",
    "check_model": "testing",
    "load": "model",
    "rules_of": "families.autoregressive.decoding",
    "save": "model",
    "train": "training.loop",
}

_RENAMED = {"load_data": ("data", "load"), "system": ("catalogue", "compose")}

__all__ = ["__version__", *_HOME, *_RENAMED]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"morphogen.{_HOME[name]}"), name)
    if name in _RENAMED:  # a name must not be a submodule's: importing that would take its place
        home, original = _RENAMED[name]
        return getattr(import_module(f"morphogen.{home}"), original)
    if name == "__version__":  # what reads it takes as long to import as all the rest
        from importlib.metadata import version

        return version("morphogen")
    raise AttributeError(f"morphogen has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
