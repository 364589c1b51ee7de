"""Four families have an example in the docstring of the module that trains or samples them; they run here."""

import doctest
from importlib import import_module

import pytest

# by module: a name of the library that the example must use
EXAMPLES = {
    "autoregressive.decoding": "next_token",  # token sampling
    "vae.posteriors": "DiagonalGaussian().draw",  # reparameterisation
    "gan.objective": "critic_steps",  # turns of the critic and the generator
    "diffusion.objective": "losses",  # the diffusion loss
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str) -> None:
    module = import_module(f"morphogen.families.{name}")
    shown = doctest.DocTestParser().get_examples(str(module.__doc__))
    assert any(EXAMPLES[name] in example.source for example in shown), "the example must use the library"
    failed, attempted = doctest.testmod(module)
    assert attempted >= len(shown) and failed == 0


def test_the_mutant_without_sigma_fails(monkeypatch) -> None:
    module = import_module("morphogen.families.vae.posteriors")
    without = lambda self, parameters, eps: module.PosteriorDraw(parameters.chunk(2, 1)[0] + eps, None)  # noqa: E731
    monkeypatch.setattr(module.DiagonalGaussian, "draw", without)
    assert doctest.testmod(module, report=False).failed > 0
