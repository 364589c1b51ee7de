"""Each law of `check_model` kills a mutant that breaks it, and names itself in doing so."""

import pytest
import torch
from torch import nn

from morphogen import model as model_module
from morphogen.catalogue import compose
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.contract import Batch, Context, Likelihood, Losses
from morphogen.families.autoregressive.objective import Autoregressive
from morphogen.families.diffusion.samplers import DDPM
from morphogen.families.flow.coupling import Coupling
from morphogen.families.vae.objective import VAE
from morphogen.networks.gated_pixelcnn import PixelMemory
from morphogen.networks.masked_conv import LeftConv
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.testing import LAWS, check_model
from morphogen.training.ema import Ema


def save_in_half_precision(monkeypatch):
    save = model_module.save

    def worse(model, directory):
        for tensor in model_module.tensors(model).values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.bfloat16())
        save(model, directory)
        for tensor in model_module.tensors(model).values():
            if tensor.is_floating_point():
                tensor.mul_(1.001)

    monkeypatch.setattr("morphogen.testing.save", worse)


def label_without_gradient(monkeypatch):
    monkeypatch.setattr(Label, "forward", lambda self, condition, rng=None: Context(vector=self.embedding(condition).detach()))


def noise_from_the_global_generator(monkeypatch):
    monkeypatch.setattr(Rng, "normal", lambda self, *shape: torch.randn(len(self), *shape))


def losses_centred_over_the_batch(monkeypatch):
    losses = VAE.losses

    def centred(self, *arguments):
        of = losses(self, *arguments)
        return Losses({"total": of.total - of.total.mean()})

    monkeypatch.setattr(VAE, "losses", centred)


def a_mass_above_one(monkeypatch):
    log_prob = Autoregressive.log_prob

    def flipped(self, *arguments):
        of = log_prob(self, *arguments)
        return Likelihood(-of.nats, of.dims, of.kind, of.measure)

    monkeypatch.setattr(Autoregressive, "log_prob", flipped)


def null_that_knows_the_condition(monkeypatch):
    forward = ConditionDropout.forward

    def leaking(self, condition, rng=None):
        of = forward(self, condition, rng)
        return of if of.null is None else Context(vector=of.vector, null=Context(vector=of.vector))

    monkeypatch.setattr(ConditionDropout, "forward", leaking)


def two_calls_a_step(monkeypatch):
    call = DDPM.step

    def twice(self, denoise, at):
        denoise(at.x, at.t)
        return call(self, denoise, at)

    monkeypatch.setattr(DDPM, "step", twice)


def memory_of_the_wrong_symbol(monkeypatch):
    step = PixelMemory.step
    monkeypatch.setattr(PixelMemory, "step", lambda self, previous: step(self, None if previous is None else (previous + 1) % 17))


def a_mask_that_sees_itself(monkeypatch):
    monkeypatch.setattr(LeftConv, "kernel", property(lambda self: self.weight))


def an_inverse_that_does_nothing(monkeypatch):
    monkeypatch.setattr(Coupling, "inverse", lambda self, z, context: z)


def averages_forgotten_on_resuming(monkeypatch):
    monkeypatch.setattr(Ema, "restore", lambda self, state: None)


def a_sign_lost_in_bf16(monkeypatch):
    forward = nn.Linear.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: forward(self, x) * (-1 if torch.is_autocast_enabled("cpu") else 1))


MUTANTS = {
    "saved_and_loaded_is_equal": (save_in_half_precision, "vae"),
    "gradient_reaches_every_owned_parameter": (label_without_gradient, "vae"),
    "sample_is_a_function_of_its_index": (noise_from_the_global_generator, "vae"),
    "draws_in_fewer_bits": (a_sign_lost_in_bf16, "vae"),
    "losses_are_per_row": (losses_centred_over_the_batch, "vae"),
    "likelihood_is_typed": (a_mass_above_one, "gated_pixelcnn"),
    "condition_is_heard_and_null_does_not_leak": (null_that_knows_the_condition, "ddpm"),
    "steps_asked_are_steps_taken": (two_calls_a_step, "ddpm"),
    "cache_equals_recomputation": (memory_of_the_wrong_symbol, "gated_pixelcnn"),
    "factorisation_is_causal": (a_mask_that_sees_itself, "gated_pixelcnn"),
    "bijection_inverts": (an_inverse_that_does_nothing, "realnvp"),
    "resume_is_bitwise": (averages_forgotten_on_resuming, "vae"),
}


def test_every_law_has_its_mutant():
    assert MUTANTS.keys() == LAWS.keys()


@pytest.mark.parametrize("law", MUTANTS)
def test_mutant_is_killed(law, monkeypatch):
    mutate, system = MUTANTS[law]
    torch.manual_seed(0)
    subject = compose(system, Pixels(17, (1, 8, 8)), 10, "tiny")
    rng = Rng(7, 12)
    batch = Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, rng.integers(10))
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=f"law broken: {law}"):
        check_model(subject, batch, [law])
