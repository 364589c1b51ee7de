"""Invariants that every model must satisfy ("laws"); `check_model(model, batch)` checks them for any model.

Each law is a function of (model, batch) that raises AssertionError with the law's name and the observed
values. Laws are checked on copies whose weights are first perturbed, since a zero-initialized layer satisfies
many of them trivially.
"""

__all__ = ["LAWS", "OF_SAMPLES", "check_model"]

import copy
from collections.abc import Callable, Iterable
from typing import Any

from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.staged import Staged
from morphogen.testing.conditions import (
    condition_matters,
    dropped_equals_not_given,
    null_is_independent_of_the_condition,
)
from morphogen.testing.guidance import guidance_composes_in_any_order
from morphogen.testing.losses import (
    coupled_rows_are_declared,
    gradient_reaches_every_owned_parameter,
    likelihood_is_typed,
)
from morphogen.testing.masks import padding_has_no_effect
from morphogen.testing.persistence import resume_is_bitwise, save_load_round_trip
from morphogen.testing.samplers import (
    bf16_samples_match_fp32,
    sample_is_a_function_of_its_index,
    sampler_makes_the_requested_calls,
)
from morphogen.testing.structure import bijection_inverts, cache_equals_recomputation, factorisation_is_causal
from morphogen.testing.subjects import generates, stage_batches
from morphogen.wrong_calls import explains_calls

ROWS = 8  # fewest rows of a batch


@explains_calls
def check_model(model: Model | Staged, batch: Batch, laws: Iterable[str] | None = None) -> list[str]:
    """Check laws on a model and a batch of at least 8 rows; returns the names of those checked.

    Arguments:
        model: the model to check; it is copied, never changed.
        batch: rows of its medium, with conditions if it is conditional.
        laws: names of the laws to check; None: all of `LAWS`, without `OF_SAMPLES` for a model that
            generates none.

    Errors: AssertionError that names the law and the observed values; ConfigError for an unusable batch.
    """
    if not isinstance(batch, Batch):
        kind = type(batch).__name__
        raise ConfigError(f"batch is of type {kind}: give a batch of rows, such as data.test.first(16)")
    if len(batch) < ROWS:
        raise ConfigError(f"batch has {len(batch)} rows: give at least {ROWS}, such as data.test.first(16)")
    checked, applicable = [], [name for name in LAWS if generates(model) or name not in OF_SAMPLES]
    for name in laws if laws is not None else applicable:
        subject = _perturbed(copy.deepcopy(model), batch)
        try:
            LAWS[name](subject, complete(subject, batch))
        except AssertionError as broken:
            raise AssertionError(f"law broken: {name}: {broken}") from broken
        checked.append(name)
    return checked


LAWS: dict[str, Callable[[Any, Batch], None]] = {
    law.__name__: law
    for law in (
        save_load_round_trip,
        gradient_reaches_every_owned_parameter,
        sample_is_a_function_of_its_index,
        bf16_samples_match_fp32,
        coupled_rows_are_declared,
        likelihood_is_typed,
        padding_has_no_effect,
        condition_matters,
        null_is_independent_of_the_condition,
        dropped_equals_not_given,
        sampler_makes_the_requested_calls,
        cache_equals_recomputation,
        factorisation_is_causal,
        bijection_inverts,
        guidance_composes_in_any_order,
        resume_is_bitwise,
    )
}

OF_SAMPLES = {
    law.__name__
    for law in (
        sample_is_a_function_of_its_index,
        bf16_samples_match_fp32,
        sampler_makes_the_requested_calls,
        cache_equals_recomputation,
        dropped_equals_not_given,
    )
}


def complete(model: Any, batch: Batch) -> Batch:
    """The batch with the conditions that earlier stages give to later ones."""
    return list(stage_batches(model, batch))[-1][1]


def _perturbed(model: Any, batch: Batch) -> Any:
    """Prepare the model on the batch and perturb every parameter, so that no layer is left at zero."""
    for stage, given in stage_batches(model, batch):
        stage.prepare(given, Rng(0, len(batch), ("prepare",)))
        for i, parameter in enumerate(p for group in stage.players().values() for p in group):
            noise = Rng(i, 1, ("awake",)).normal(parameter.numel()).view_as(parameter)
            parameter.data.add_(0.03 * noise)
    return model
