"""What goes wrong in sound by one: a dilation, the shift at the entrance, the sign of a sample. Laws and round trips find them."""

import pytest
import torch

from morphogen.contract import Batch
from morphogen.networks import causal_conv, wavenet
from morphogen.networks.causal_conv import Taps
from morphogen.numerics.randomness import Rng
from morphogen.representations import audio
from morphogen.representations.audio import MuLaw
from morphogen.systems.wavenet import wavenet as page
from morphogen.testing import check_model

RIGHT = causal_conv.past


def a_dilation_off_by_one(monkeypatch):
    monkeypatch.setattr(causal_conv, "past", lambda h, steps: RIGHT(h, steps + 1))


def a_shift_too_few(monkeypatch):
    monkeypatch.setattr(wavenet, "past", lambda h, steps: h)


def a_tap_of_the_future(monkeypatch):
    monkeypatch.setattr(causal_conv, "past", lambda h, steps: torch.roll(h, -steps, 1))


def halves_that_do_not_change_places(monkeypatch):
    init = Taps.__init__

    def worse(self, conv, rows):
        init(self, conv, rows)
        self.windows = self.windows[: conv.dilation] * 2

    monkeypatch.setattr(Taps, "__init__", worse)


def is_causal() -> None:
    rng = Rng(7, 12)
    torch.manual_seed(0)
    check_model(page(MuLaw(24, 8000, 16), 10, "tiny"), Batch(2 * rng.uniform(1, 24) - 1, rng.integers(10)), ["factorisation_is_causal"])


@torch.no_grad()
def memory_is_the_pass() -> None:
    """The law asks for the same symbols; a mutant may draw them by luck, but not have the same logits."""
    torch.manual_seed(0)
    network = wavenet.WaveNet(7, 6, 8, 2, 3).eval()
    x = torch.randint(7, (2, 24))
    memory, logits = network.cache(2, None), network(x, None)
    for t, symbols in enumerate([None, *x.unbind(1)[:-1]]):
        torch.testing.assert_close(memory.step(symbols), logits[:, t], atol=1e-5, rtol=0)


MUTANTS = {
    a_dilation_off_by_one: memory_is_the_pass,
    halves_that_do_not_change_places: memory_is_the_pass,
    a_shift_too_few: is_causal,
    a_tap_of_the_future: is_causal,
}


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_mutant_is_killed(mutate, monkeypatch):
    check = MUTANTS[mutate]
    check()
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check()


def test_a_sign_that_is_lost_is_heard(monkeypatch):
    sound, ids = torch.linspace(-1, 1, 21), torch.arange(16)
    assert torch.equal(audio.compand(audio.expand(ids, 16), 16), ids)
    monkeypatch.setattr(torch.Tensor, "sign", torch.Tensor.abs)
    assert not torch.equal(audio.compand(audio.expand(ids, 16), 16), ids) and (audio.compand(sound, 16)[:10] >= 8).any()
