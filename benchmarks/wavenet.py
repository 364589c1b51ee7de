"""`wavenet-sample`: 8-bit audio, one sample at a time, from a WaveNet of 2 x 10 layers of 64 features.

Ours computes each activation once (native/wavenet.cpp). The peer is the naive loop over the same network; it
starts after a full receptive field of audio, so that all its passes cost the same. Before the timing, the
cache is checked to give the peer's logits, and the kernel to draw the samples of the cache.
"""

__all__ = ["wavenet_sample"]

from functools import partial

import torch

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers.naive_wavenet import passes
from morphogen.families.autoregressive import Ancestral, Autoregressive
from morphogen.model import Model, parameters
from morphogen.networks.wavenet import WaveNet
from morphogen.representations.audio import MuLaw

WIDTH, CYCLES, LAYERS = 64, 2, 10
SAMPLES, PASSES = 32_000, 20  # per repetition: samples of ours, passes of the peer
TOLERANCE = 1e-4  # of the logits, which are of order one
CHECKED = 500  # samples of the kernel that are compared with its twin's


def wavenet_sample(name: Name) -> list[Comparison]:
    """Audio samples per second."""
    torch.manual_seed(0)
    network = WaveNet(256, WIDTH, WIDTH, CYCLES, LAYERS).eval()
    model = Model(Autoregressive(network), MuLaw(SAMPLES, 16_000))
    prefix = torch.randint(256, (1, network.receptive_field + 7))
    peer = f"a pass over {network.receptive_field} samples for every sample; "
    peer += f"{PASSES} passes, all of the same cost, were run"
    config = {
        "parameters": parameters(model), "sounds at once": 1, "samples": SAMPLES, "ours": "Model.sample",
        "precision": "fp32", "peer": peer, "peer precision": "fp32",
    }  # fmt: skip
    return [
        Comparison(
            lambda: model.sample(1, seed=0),
            passes(network, prefix, PASSES),
            (SAMPLES, PASSES),
            "samples/s",
            config,
            setup=partial(_check, network, prefix),
        )
    ]


def _check(network: WaveNet, prefix: torch.Tensor) -> None:
    """Check logits and samples."""
    _check_logits(network, prefix)
    _check_samples(network)


def _check_logits(network: WaveNet, prefix: torch.Tensor) -> None:
    """Check that the cache gives the logits of the naive loop, after the prefix and after each sample."""
    cache = network.make_cache(1, None)
    logits = cache.step(None)
    for symbol in prefix.unbind(1):
        logits = cache.step(symbol)
    for count in (1, 2, 3):
        naive = passes(network, prefix, count)()
        if (difference := (logits - naive).abs().max()) > TOLERANCE:
            raise AssertionError(f"sample {count}: cached and full passes differ by {difference:.2g}")
        logits = cache.step(logits.argmax(-1))


@torch.no_grad()
def _check_samples(network: WaveNet) -> None:
    """Check that the kernel, where there is one, draws the samples of the cache."""
    drawn, uniforms = torch.full((1, CHECKED), -1), torch.rand(1, CHECKED)
    if not network.draw(drawn, uniforms, 1.0, None, None):
        return
    cache = network.make_cache(1, None)
    logits = cache.step(None)
    for i in range(CHECKED):
        if not torch.equal(Ancestral().next_token(logits, uniforms[:, i]), drawn[:, i]):
            raise AssertionError(f"sample {i}: the kernel and the cache differ")
        logits = cache.step(drawn[:, i])
