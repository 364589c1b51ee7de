"""Each law of `check_model` fails for a mutant that breaks it, and its name is in the error."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from morphogen import model as model_module
from morphogen.catalogue import build_system
from morphogen.conditioning import guidance
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Context, Likelihood, Losses
from morphogen.families.autoregressive.objective import Autoregressive
from morphogen.families.diffusion.samplers import DDPM
from morphogen.families.flow.coupling import Coupling
from morphogen.families.flow.objective import Flow
from morphogen.families.vae.objective import VAE
from morphogen.networks.gated_pixelcnn import GatedPixelCNNCache
from morphogen.networks.masked_conv import HorizontalConv
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.testing import LAWS, check_model
from morphogen.training.ema import Ema


def save_in_bf16(monkeypatch):
    save = model_module.save

    def lossy(model, directory):
        for tensor in model_module.tensors(model).values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.bfloat16())
        save(model, directory)
        for tensor in model_module.tensors(model).values():
            if tensor.is_floating_point():
                tensor.mul_(1.001)

    monkeypatch.setattr("morphogen.testing.persistence.save", lossy)


def detach_the_label_embedding(monkeypatch):
    monkeypatch.setattr(
        Label, "forward", lambda self, condition, rng=None: Context(vector=self.embedding(condition).detach())
    )


def draw_noise_from_the_global_generator(monkeypatch):
    monkeypatch.setattr(Rng, "normal", lambda self, *shape: torch.randn(len(self), *shape))


def centre_the_losses_over_the_batch(monkeypatch):
    losses = VAE.losses

    def centred(self, *arguments):
        total = losses(self, *arguments).total
        return Losses({"total": total - total.mean()})

    monkeypatch.setattr(VAE, "losses", centred)


def negate_log_prob(monkeypatch):
    log_prob = Autoregressive.log_prob

    def negated(self, *arguments):
        value = log_prob(self, *arguments)
        return Likelihood(-value.nats, value.dims, value.kind, value.measure)

    monkeypatch.setattr(Autoregressive, "log_prob", negated)


def ignore_the_mask(monkeypatch):
    monkeypatch.setattr(Flow, "receive_mask", lambda self, mask, context, rng: (context, rng))


def leak_the_condition_into_null(monkeypatch):
    forward = ConditionDropout.forward

    def leaking(self, condition, rng=None):
        context = forward(self, condition, rng)
        if context.null is None:
            return context
        return replace(context, null=replace(context, null=None))

    monkeypatch.setattr(ConditionDropout, "forward", leaking)


def ignore_the_label(monkeypatch):
    monkeypatch.setattr(Label, "forward", lambda self, label, rng=None: Context(self.embedding(0 * label)))


def forget_the_null_when_absent(monkeypatch):
    monkeypatch.setattr(ConditionDropout, "absent", lambda self, rows: None)


def call_the_network_twice_per_step(monkeypatch):
    step = DDPM.step

    def twice(self, denoise, state):
        denoise(state.x_t, state.t)
        return step(self, denoise, state)

    monkeypatch.setattr(DDPM, "step", twice)


def cache_the_wrong_symbol(monkeypatch):
    step = GatedPixelCNNCache.step
    monkeypatch.setattr(
        GatedPixelCNNCache,
        "step",
        lambda self, previous: step(self, None if previous is None else (previous + 1) % 17),
    )


def remove_the_mask(monkeypatch):
    monkeypatch.setattr(HorizontalConv, "masked_weight", property(lambda self: self.weight))


def replace_the_inverse_by_the_identity(monkeypatch):
    monkeypatch.setattr(Coupling, "inverse", lambda self, z, context: z)


def drop_the_averages_when_resuming(monkeypatch):
    monkeypatch.setattr(Ema, "restore", lambda self, state: None)


def flip_the_sign_in_bf16(monkeypatch):
    forward = nn.Linear.forward
    monkeypatch.setattr(
        nn.Linear,
        "forward",
        lambda self, x: forward(self, x) * (-1 if torch.is_autocast_enabled("cpu") else 1),
    )


def drop_the_raw_condition_in_guidance(monkeypatch):
    monkeypatch.setattr(guidance, "_both", lambda context: Context.cat(context.null, context))


MUTANTS = {
    "save_load_round_trip": (save_in_bf16, "vae"),
    "gradient_reaches_every_owned_parameter": (detach_the_label_embedding, "vae"),
    "sample_is_a_function_of_its_index": (draw_noise_from_the_global_generator, "vae"),
    "bf16_samples_match_fp32": (flip_the_sign_in_bf16, "vae"),
    "coupled_rows_are_declared": (centre_the_losses_over_the_batch, "vae"),
    "likelihood_is_typed": (negate_log_prob, "gated_pixelcnn"),
    "padding_has_no_effect": (ignore_the_mask, "realnvp"),
    "condition_matters": (ignore_the_label, "ddpm"),
    "dropped_equals_not_given": (forget_the_null_when_absent, "ddpm"),
    "null_is_independent_of_the_condition": (leak_the_condition_into_null, "ddpm"),
    "sampler_makes_the_requested_calls": (call_the_network_twice_per_step, "ddpm"),
    "cache_equals_recomputation": (cache_the_wrong_symbol, "gated_pixelcnn"),
    "factorisation_is_causal": (remove_the_mask, "gated_pixelcnn"),
    "guidance_composes_in_any_order": (drop_the_raw_condition_in_guidance, "ddpm"),
    "bijection_inverts": (replace_the_inverse_by_the_identity, "realnvp"),
    "resume_is_bitwise": (drop_the_averages_when_resuming, "vae"),
}


def declare_coupled_rows(monkeypatch):
    monkeypatch.setattr(VAE, "coupled_rows", True)


# a second mutant of a law that fails on both sides
OPPOSITE = {"coupled_rows_are_declared": (declare_coupled_rows, "vae")}


def test_every_law_has_a_mutant():
    assert MUTANTS.keys() == LAWS.keys()


@pytest.mark.parametrize(
    ("law", "mutant"), [(law, mutant) for each in (MUTANTS, OPPOSITE) for law, mutant in each.items()]
)
def test_mutant_is_killed(law, mutant, monkeypatch):
    mutate, system = mutant
    torch.manual_seed(0)
    model = build_system(system, Pixels(17, (1, 8, 8)), {"label": Classes(10)}, "tiny")
    rng = Rng(7, 12)
    batch = Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, {"label": rng.integers(10)})
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=f"law broken: {law}"):
        check_model(model, batch, [law])
