"""`lm-decode`: 110 million parameters in LLaMA's shape, 128 symbols read and 128 written (by 16 rows: 32), beside transformers' `generate`.

    fp32        the same weights, ours laid out for steps (`inference.lay_out`), and symbol for symbol the same text on both sides
    bf16, int8  our numbers, or our matrices (`inference.Quantized`), held in fewer bytes: a step reads them all once
    compiled    our steps of one position compiled; the peer is as its documentation has it

The weights are random: what the text says does not change what a step costs.
"""

__all__ = ["lm_decode"]

from typing import Any

import torch
from torch import Tensor

from benchmarks.figure import Duel
from benchmarks.names import Name
from benchmarks.peers import transformers_llama
from benchmarks.precisions import best_dtype
from morphogen.conditioning.prefix import Prefix
from morphogen.families.autoregressive import Autoregressive, Greedy
from morphogen.inference import Int8, Quantized, compile_steps, lay_out
from morphogen.interop.llama import places
from morphogen.model import Model, parameters
from morphogen.networks import decoders
from morphogen.representations.text import Text

SHAPE = (32_000, 256, 768, 12, 12, 12, 2048)
READ, WRITTEN, WRITTEN_BY_MANY = 128, 128, 32


class _Ids(Text):
    """Symbols that spell nothing."""

    vocabulary = SHAPE[0]
    pieces = (b"?",) * SHAPE[0]

    def read(self, text: str) -> Tensor:
        raise NotImplementedError


def lm_decode(name: Name) -> list[Duel]:
    """Symbols a second."""
    torch.manual_seed(0)
    rows = name.rows or 1
    written = WRITTEN if rows == 1 else WRITTEN_BY_MANY
    net = transformers_llama.llama(*SHAPE).eval()
    network = decoders.llama(*SHAPE, tied=True, start=None).eval()
    _same_weights(network, net)
    prompt = torch.randint(SHAPE[0], (rows, READ))
    if name.best:
        net = net.to(best_dtype(name))
    model = _held(Model(Autoregressive(network), _Ids(READ + written), Prefix()), name)
    peer = transformers_llama.generation(net, prompt, written)

    def ours() -> Tensor:
        return model.sample(rows, prompt, Greedy(), batch=rows).tensor

    def first() -> None:
        """Steps are compiled when they are first taken; the same numbers write the same text."""
        if name.precision == "fp32" and not torch.equal(ours(), peer()):
            raise AssertionError("lm-decode: the two sides write different texts")
        if name.compiled:
            ours()

    config = {
        "parameters": {"ours": parameters(network), "peer": parameters(net)}, "read": READ, "written": written, "rows": rows,
        "ours": f"Model.sample(Greedy()), {name.precision}" + ", steps compiled" * name.compiled,
        "peer": f"transformers' generate, {str(net.dtype).removeprefix('torch.')}",
    }  # fmt: skip
    return [Duel(ours, peer, (rows * written,) * 2, "tokens/s", config, first=first)]


def _held(model: Model, name: Name) -> Any:
    """The model in the precision that the name asks for."""
    if name.precision == "bf16":  # all of it, as the peer at its best
        model.objective.network.to(torch.bfloat16)
    held: Any = Quantized(model, Int8()) if name.precision == "int8" else lay_out(model)
    if name.compiled:
        compile_steps(held.objective.network)
    return held


@torch.no_grad()
def _same_weights(network: Any, net: Any) -> None:
    theirs = net.state_dict()
    for place in places(network):
        place.own.copy_(torch.cat([theirs[f"model.{part}"] for part in place.names]))
