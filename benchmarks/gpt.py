"""`gpt-train`: a character-level model in nanoGPT's two small sizes, on a text of 65 characters.

    gpt-train          4 layers, 4 heads, width 128, blocks of 64, batches of 12
    gpt-train bf16     6 layers, 6 heads, width 384, blocks of 256, batches of 16

The first is that of nanoGPT's README for a laptop CPU, the second its config for a GPU with a quarter of the
batch. The text is random, since its content does not affect the cost of a step.
"""

__all__ = ["gpt_train"]

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import nanogpt, transformers_gpt2
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
from morphogen.data import Windows
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model, parameters
from morphogen.networks.decoders import gpt2
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.text import Bytes
from morphogen.training import train

VOCABULARY, LETTERS = 65, 300_000


def gpt_train(name: Name) -> list[Comparison]:
    """Tokens per second; the small size against both peers, the larger one against nanoGPT."""
    large = name.precision == "bf16"
    width, layers, heads, length, batch, steps = (384, 6, 6, 256, 16, 1) if large else (128, 4, 4, 64, 12, 40)
    torch.manual_seed(0)
    text = torch.randint(VOCABULARY, (LETTERS,), dtype=torch.uint8)
    optimizer = AdamW(nanogpt.LR, nanogpt.BETAS, weight_decay=nanogpt.DECAY)
    plan = Plan(optimizer, batch, Cosine(warmup=100, floor=0.1), clip=nanogpt.CLIP)
    network = gpt2(VOCABULARY, length, width, layers, heads, bias=False, exact=True, start=0)
    model = Model(Autoregressive(network), Bytes(length), plan=plan)
    examples = Windows(text, torch.arange(0, LETTERS - length, length), length)

    def ours() -> None:
        train(model, examples, steps=steps, device="cpu", precision=ours_precision(name))

    def compare(peer: Callable[[], None], net: Any, what: str, *label: str) -> Comparison:
        sizes = {"layers": layers, "heads": heads, "width": width, "block": length, "batch": batch}
        config = sizes | {"steps": steps, "ours": "morphogen.train"} | describe_precisions(name)
        count = {"ours": parameters(model), "peer": sum(p.numel() for p in net.parameters())}
        config |= {"peer": what + ", AdamW fused" * name.best, "parameters": count}
        tokens = steps * batch * length
        return Comparison(ours, peer, (tokens, tokens), "tokens/s", config, label)

    settings = (batch, length, steps, best_dtype(name), name.best)
    nano = nanogpt.NanoGPT(VOCABULARY, length, width, layers, heads)
    loop = nanogpt.training(nano, text.numpy().astype(np.uint16), *settings)
    if large:
        return [compare(loop, nano, "a nanoGPT-like loop")]
    hugging_face = transformers_gpt2.gpt2(VOCABULARY, length, width, layers, heads)
    native = transformers_gpt2.training(hugging_face, text.long(), *settings)
    return [
        compare(loop, nano, "a nanoGPT-like loop", "nanogpt"),
        compare(native, hugging_face, "transformers' native PyTorch loop", "transformers"),
    ]
