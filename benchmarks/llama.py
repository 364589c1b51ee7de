"""`llama-train`: LLaMA in the larger size of `gpt-train`, against transformers at equal precision.

Six query heads share two key-value heads.
"""

__all__ = ["llama_train"]

import torch

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import transformers_gpt2, transformers_llama
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
from morphogen.data import Windows
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model, parameters
from morphogen.networks import decoders
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.text import Bytes
from morphogen.training import train

VOCABULARY, LETTERS = 65, 300_000
WIDTH, LAYERS, HEADS, KEY_VALUES, HIDDEN, LENGTH, BATCH, STEPS = 384, 6, 6, 2, 1024, 256, 16, 1


def llama_train(name: Name) -> list[Comparison]:
    """Tokens per second."""
    torch.manual_seed(0)
    text = torch.randint(VOCABULARY, (LETTERS,), dtype=torch.uint8)
    shape = (VOCABULARY, LENGTH, WIDTH, LAYERS, HEADS, KEY_VALUES, HIDDEN)
    plan = Plan(AdamW(1e-3, (0.9, 0.95), weight_decay=0.1), BATCH, Cosine(warmup=100, floor=0.1), clip=1.0)
    model = Model(Autoregressive(decoders.llama(*shape, tied=True, start=0)), Bytes(LENGTH), plan=plan)
    examples = Windows(text, torch.arange(0, LETTERS - LENGTH, LENGTH), LENGTH)
    net = transformers_llama.llama(*shape).train()
    peer = transformers_gpt2.training(net, text.long(), BATCH, LENGTH, STEPS, best_dtype(name), name.best)

    def ours() -> None:
        train(model, examples, steps=STEPS, device="cpu", precision=ours_precision(name))

    config = {
        "layers": LAYERS, "heads": HEADS, "keys": KEY_VALUES, "width": WIDTH, "hidden": HIDDEN,
        "block": LENGTH, "batch": BATCH, "steps": STEPS,
        "parameters": {"ours": parameters(model), "peer": parameters(net)},
        "ours": "morphogen.train", "peer": "transformers' native PyTorch loop",
    } | describe_precisions(name)  # fmt: skip
    return [Comparison(ours, peer, (STEPS * BATCH * LENGTH,) * 2, "tokens/s", config)]
