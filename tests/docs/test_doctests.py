"""The four classical sketches stand in the docstrings of the functions that models are trained and sampled with, and run here."""

import doctest
from importlib import import_module

import pytest

SKETCHES = {
    "autoregressive.decoding": "temper",  # token sampling
    "vae.objective": "_draw",  # reparameterisation
    "gan.objective": "critic_steps",  # the two steps of a GAN
    "diffusion.objective": "losses",  # the diffusion loss
}


@pytest.mark.parametrize("name", SKETCHES)
def test_sketch_runs(name: str) -> None:
    module = import_module(f"morphogen.families.{name}")
    shown = doctest.DocTestParser().get_examples(str(module.__doc__))
    assert any(SKETCHES[name] in example.source for example in shown), "the sketch does not use our function"
    failed, attempted = doctest.testmod(module)
    assert attempted >= len(shown) and failed == 0


def test_a_wrong_sketch_fails(monkeypatch) -> None:
    """The mutant: noise that is added without its sigma."""
    module = import_module("morphogen.families.vae.objective")
    monkeypatch.setattr(module, "_draw", lambda mean, log_sigma, rng: (mean + rng.normal(*mean.shape[1:]), None))
    assert doctest.testmod(module, report=False).failed > 0
