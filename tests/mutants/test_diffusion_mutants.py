"""Mutation tests of diffusion: each mutant breaks one law of a paper, and the check next to it must fail."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from morphogen.families.diffusion import LinearBetas, MinSNR, Preconditioned, objective
from morphogen.families.diffusion.schedules import NoiseSchedule
from mutants.checks import checks_of

DIFFUSION, SCHEDULES, TARGETS, WEIGHTINGS = (
    checks_of(f"test_{name}") for name in ("diffusion", "schedules", "targets", "weightings")
)
Patch = pytest.MonkeyPatch


def betas_are_not_clamped(patch: Patch) -> None:
    patch.setattr(torch.Tensor, "clamp_max", lambda self, value: self)


def the_larger_of_the_two(self: Any, process: Any, t: Any) -> Any:
    return process.ratio(t).pow(-2).clamp_min(self.gamma)


MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {
    "the prior is free": (
        lambda patch: patch.setattr(
            objective, "_prior_kl", lambda schedule, x_0, mask: x_0.new_zeros(len(x_0))
        ),
        DIFFUSION.check_a_chain_that_ends_in_signal_pays_for_it,
    ),
    "the input of EDM is not scaled": (
        lambda patch: patch.setattr(
            Preconditioned, "scale", lambda self, alpha, sigma: torch.ones_like(sigma)
        ),
        TARGETS.check_the_network_of_edm_sees_inputs_of_unit_variance,
    ),
    "the last step is not trained": (
        lambda patch: patch.setattr(
            NoiseSchedule, "sample_time", lambda self, rng: 1 + rng.integers(self.steps - 1)
        ),
        lambda: SCHEDULES.check_every_step_of_a_chain_is_trained(LinearBetas(1e-3, 0.4, SCHEDULES.T)),
    ),
    "the cosine schedule ends in pure noise": (
        betas_are_not_clamped,
        SCHEDULES.check_the_cosine_schedule_keeps_a_thousandth_of_the_last_step,
    ),
    "min-SNR is the larger one": (
        lambda patch: patch.setattr(MinSNR, "__call__", the_larger_of_the_two),
        lambda: WEIGHTINGS.check_min_snr_is_the_smaller_of_the_two(LinearBetas()),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_killed(name: str, monkeypatch: Patch) -> None:
    mutate, check = MUTANTS[name]
    check()
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check()
