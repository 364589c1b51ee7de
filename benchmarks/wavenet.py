"""`wavenet-sample`: a WaveNet of twice ten dilations and 64 features draws sound of 256 symbols, one at a time.

Ours keeps what it has computed (`WaveMemory`); its peer is the naive loop over the same network, behind a sound as long as the network
looks back, where each of its passes costs the same. That both give the same logits there is proven before anything is timed.
"""

__all__ = ["wavenet_sample"]

import torch

from benchmarks.figure import Duel
from benchmarks.names import Name
from benchmarks.peers.naive_wavenet import passes
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model, parameters
from morphogen.networks.wavenet import WaveNet
from morphogen.representations.audio import MuLaw

WIDTH, CYCLES, LAYERS = 64, 2, 10
SAMPLES, PASSES = 4000, 20  # of a repetition of each
TOLERANCE = 1e-4  # of the logits, which are of order one


def wavenet_sample(name: Name) -> list[Duel]:
    """Samples a second."""
    torch.manual_seed(0)
    network = WaveNet(256, WIDTH, WIDTH, CYCLES, LAYERS).eval()
    model = Model(Autoregressive(network), MuLaw(SAMPLES, 16_000))
    begun = torch.randint(256, (1, network.reach + 7))
    config = {
        "parameters": parameters(model), "sounds at once": 1, "samples": SAMPLES, "ours": "Model.sample", "precision": "fp32",
        "peer": f"a pass over {network.reach} samples for every sample; {PASSES} passes, all of the same cost, were run",
        "peer precision": "fp32",
    }  # fmt: skip

    def prove() -> None:
        _prove(network, begun)

    return [Duel(lambda: model.sample(1, seed=0), passes(network, begun, PASSES), (SAMPLES, PASSES), "samples/s", config, first=prove)]


def _prove(network: WaveNet, begun: torch.Tensor) -> None:
    """The memory's logits behind the sound that has begun, and behind what the naive loop then draws, are those of its passes."""
    memory = network.cache(1, None)
    logits = memory.step(None)
    for symbol in begun.unbind(1):
        logits = memory.step(symbol)
    for count in (1, 2, 3):
        naive = passes(network, begun, count)()
        if (logits - naive).abs().max() > TOLERANCE:
            raise AssertionError(f"sample {count}: the memory and the pass differ by {(logits - naive).abs().max():.2g}")
        logits = memory.step(logits.argmax(-1))
