"""`lm-decode`: a LLaMA of 110 million parameters against transformers' `generate`.

The prompt has 128 tokens; 128 tokens are generated (32 with a batch of 16).

    fp32              equal weights; both sides generate the same tokens
    bf16, int8, int4  our weights in bf16, or quantized (`inference.Quantized`): each step reads all of them
    compiled          our one-position steps are compiled by torch, instead of our own kernel

The weights are random, since the content of the text does not affect the cost of a step.
"""

__all__ = ["lm_decode"]

from typing import Any

import torch
from torch import Tensor

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import transformers_llama
from benchmarks.precisions import best_dtype
from morphogen.conditioning.prefix import Prefix
from morphogen.families.autoregressive import Autoregressive, Greedy
from morphogen.inference import Int4, Int8, Quantized, compile_steps, prepack_weights
from morphogen.interop.llama import tensor_mappings
from morphogen.model import Model, parameters
from morphogen.networks import decoders
from morphogen.representations.text import Text

SHAPE = (32_000, 256, 768, 12, 12, 12, 2048)
PROMPT, GENERATED, GENERATED_IN_BATCH = 128, 128, 32  # tokens


class _Ids(Text):
    """Token ids without a text."""

    vocabulary = SHAPE[0]
    pieces = (b"?",) * SHAPE[0]

    def tokenize(self, text: str) -> Tensor:
        raise NotImplementedError


def lm_decode(name: Name) -> list[Comparison]:
    """Generated tokens per second."""
    torch.manual_seed(0)
    rows = name.rows or 1
    generated = GENERATED if rows == 1 else GENERATED_IN_BATCH
    net = transformers_llama.llama(*SHAPE).eval()
    network = decoders.llama(*SHAPE, tied=True, start=None).eval()
    _copy_weights(net, network)
    prompt = torch.randint(SHAPE[0], (rows, PROMPT))
    if name.best:
        net = net.to(best_dtype(name))
    model = _packed(Model(Autoregressive(network), _Ids(PROMPT + generated), Prefix()), name)
    peer = transformers_llama.generation(net, prompt, generated)

    def ours() -> Tensor:
        return model.sample(rows, prompt, Greedy(), batch=rows).tensor

    def setup() -> None:
        """Check in fp32 that both sides generate the same tokens; compile the steps, in their first call."""
        if name.precision == "fp32" and not torch.equal(ours(), peer()):
            raise AssertionError("lm-decode: the two sides generate different tokens")
        if name.compiled:
            ours()

    held = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    config = {
        "bytes": held // rows,  # that a token reads
        "parameters": {"ours": parameters(network), "peer": parameters(net)},
        "read": PROMPT, "written": generated, "rows": rows,
        "ours": f"Model.sample(Greedy()), {name.precision}" + ", steps compiled" * name.compiled,
        "peer": f"transformers' generate, {str(net.dtype).removeprefix('torch.')}",
    }  # fmt: skip
    return [Comparison(ours, peer, (rows * generated,) * 2, "tokens/s", config, setup=setup)]


def _packed(model: Model, name: Name) -> Any:
    """The model in the precision of the name."""
    if name.precision == "bf16":  # everything is converted, as for the peer with vs-best
        model.objective.network.to(torch.bfloat16)
    formats = {"int8": Int8(), "int4": Int4()}
    quantized = name.precision in formats
    packed: Any = Quantized(model, formats[name.precision]) if quantized else prepack_weights(model)
    if name.compiled:
        compile_steps(packed.objective.network)
    return packed


@torch.no_grad()
def _copy_weights(net: Any, network: Any) -> None:
    theirs = net.state_dict()
    for mapping in tensor_mappings(network):
        mapping.parameter.copy_(torch.cat([theirs[f"model.{name}"] for name in mapping.names]))
