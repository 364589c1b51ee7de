"""Mutants of the audio models that tests must detect: an off-by-one dilation or shift, a lost sign."""

import pytest
import torch

from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch
from morphogen.networks import causal_conv, wavenet
from morphogen.networks.causal_conv import CausalConvCache
from morphogen.numerics.randomness import Rng
from morphogen.representations import audio
from morphogen.representations.audio import MuLaw
from morphogen.systems.wavenet import wavenet as system
from morphogen.testing import check_model

DELAY = causal_conv.delay


def a_dilation_off_by_one(monkeypatch):
    monkeypatch.setattr(causal_conv, "delay", lambda h, steps: DELAY(h, steps + 1))


def a_missing_input_shift(monkeypatch):
    monkeypatch.setattr(wavenet, "delay", lambda h, steps: h)


def a_tap_in_the_future(monkeypatch):
    monkeypatch.setattr(causal_conv, "delay", lambda h, steps: torch.roll(h, -steps, 1))


def halves_that_never_swap(monkeypatch):
    init = CausalConvCache.__init__

    def mutant(self, conv, rows):
        init(self, conv, rows)
        self.windows = self.windows[: conv.dilation] * 2

    monkeypatch.setattr(CausalConvCache, "__init__", mutant)


def is_causal() -> None:
    rng = Rng(7, 12)
    torch.manual_seed(0)
    check_model(
        system(MuLaw(24, 8000, 16), Classes(10), size="tiny"),
        Batch(2 * rng.uniform(1, 24) - 1, {"label": rng.integers(10)}),
        ["factorisation_is_causal"],
    )


@torch.no_grad()
def cache_equals_forward() -> None:
    """The law compares samples, which a mutant may match by chance; its logits differ."""
    torch.manual_seed(0)
    network = wavenet.WaveNet(7, 6, 8, 2, 3).eval()
    x = torch.randint(7, (2, 24))
    cache, logits = network.make_cache(2, None), network(x, None)
    for t, symbols in enumerate([None, *x.unbind(1)[:-1]]):
        torch.testing.assert_close(cache.step(symbols), logits[:, t], atol=1e-5, rtol=0)


MUTANTS = {
    a_dilation_off_by_one: cache_equals_forward,
    halves_that_never_swap: cache_equals_forward,
    a_missing_input_shift: is_causal,
    a_tap_in_the_future: is_causal,
}


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_mutant_is_killed(mutate, monkeypatch):
    check = MUTANTS[mutate]
    check()
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check()


def test_a_lost_sign_is_detected(monkeypatch):
    sound, ids = torch.linspace(-1, 1, 21), torch.arange(16)
    assert torch.equal(audio.compand(audio.expand(ids, 16), 16), ids)
    monkeypatch.setattr(torch.Tensor, "sign", torch.Tensor.abs)
    assert (
        not torch.equal(audio.compand(audio.expand(ids, 16), 16), ids)
        and (audio.compand(sound, 16)[:10] >= 8).any()
    )
