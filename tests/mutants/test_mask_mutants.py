"""The law of padding fails for each way in which a network, a family or the noise can depend on padding."""

import pytest
import torch

from contract.point_sets import chain_model, circles
from morphogen.catalogue import build_system
from morphogen.contract import Batch
from morphogen.families.classical.ngram import NGram
from morphogen.families.diffusion import discrete
from morphogen.networks.blocks import Block
from morphogen.numerics.masking import masked_mean
from morphogen.numerics.randomness import ElementRng, Rng
from morphogen.representations.text import Bytes
from morphogen.testing import check_model


def attend_to_padding(monkeypatch):
    forward = Block.forward
    ignoring = lambda self, h, context, causal, mask: forward(self, h, context, causal=causal)  # noqa: E731
    monkeypatch.setattr(Block, "forward", ignoring)


def average_over_padding(monkeypatch):
    for module in (discrete, "morphogen.families.diffusion.objective"):
        monkeypatch.setattr(
            f"{getattr(module, '__name__', module)}.masked_mean", lambda x, mask: masked_mean(x, None)
        )


def sum_over_padding(monkeypatch):
    for module in ("discrete", "likelihood"):
        monkeypatch.setattr(
            f"morphogen.families.diffusion.{module}.masked_sum", lambda x, mask: x.flatten(1).sum(1)
        )


def key_noise_by_the_padded_size(monkeypatch):
    monkeypatch.setattr(ElementRng, "normal", Rng.normal)


def ignore_the_mask(monkeypatch):
    monkeypatch.setattr(NGram, "receive_mask", lambda self, mask, context, rng: (context, rng))


def score_padding(monkeypatch):
    monkeypatch.setattr(
        "morphogen.families.autoregressive.objective.scored_tokens", lambda x, context: x.x >= 0
    )


MUTANTS = {
    (attend_to_padding, "d3pm_text"): "losses of padded rows",
    (attend_to_padding, "points"): "losses of padded rows",
    (average_over_padding, "d3pm_text"): "ignored|losses of padded rows",
    (average_over_padding, "points"): "losses of padded rows",
    (sum_over_padding, "d3pm_text"): "log p of padded rows",
    (sum_over_padding, "points"): "log p of padded rows",
    (key_noise_by_the_padded_size, "points"): "losses of padded rows",
    (ignore_the_mask, "ngram"): "ignored",
    (score_padding, "gpt"): "ignored",
}


def model_and_batch(name):
    torch.manual_seed(0)
    if name == "points":
        points = circles(12, seed=7)
        return chain_model(points, width=16, layers=1), Batch(points)
    return build_system(name, Bytes(16), {}, "tiny"), Batch(Rng(7, 12).integers(256, 16))


@pytest.mark.parametrize("name", sorted({name for _, name in MUTANTS}))
def test_law_holds(name):
    check_model(*model_and_batch(name), ["padding_has_no_effect"])


@pytest.mark.parametrize(("mutate", "name"), MUTANTS)
def test_mutant_is_killed(mutate, name, monkeypatch):
    model, batch = model_and_batch(name)
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=f"padding_has_no_effect: .*({MUTANTS[mutate, name]})"):
        check_model(model, batch, ["padding_has_no_effect"])
