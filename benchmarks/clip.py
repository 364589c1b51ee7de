"""`clip-train`: CLIP of size small with the same weights in ours and in transformers.

Pictures of 32 x 32 pixels in colour with captions of bytes, in batches of 256 pairs. Ours tokenizes the
captions of each batch, as in any training; the peer has them tokenized ahead. Their losses are equal
(tests/benchmarks/test_clip_sides.py).
"""

__all__ = ["clip_train"]

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import transformers_clip as peer
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
from morphogen.conditioning.caption import Captions
from morphogen.data import Pictures
from morphogen.data.captioned import Captioned
from morphogen.interop.clip import write_clip
from morphogen.model import Model, parameters
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems.clip import clip
from morphogen.training import train

SIZE, SHAPE, ROWS, STEPS = "small", (3, 32, 32), 512, 2


def clip_train(name: Name) -> list[Comparison]:
    """Pairs per second of training."""
    theirs, model, examples, config = _both(name)
    batch, conditioner = model.plan.batch, model.conditioner
    encoder: Any = conditioner.encoder  # type: ignore[union-attr]
    ids = peer.framed([list(text.encode()) for text in examples.captions], encoder.start, encoder.end)
    optimizer: Any = model.plan.optimizer
    pixels, lr = examples.pictures.first().medium, optimizer.lr
    loop = peer.training(theirs, pixels, ids, batch, STEPS, lr, best_dtype(name), name.best)

    def ours() -> None:
        train(model, examples, steps=STEPS, device="cpu", precision=ours_precision(name))

    config |= {
        "batch": batch,
        "steps": STEPS,
        "ours": "morphogen.train",
        "peer": "transformers' CLIPModel and documented loop" + ", AdamW fused" * name.best,
    }
    pairs = STEPS * batch
    return [Comparison(ours, loop, (pairs, pairs), "pairs/s", config)]


def _both(name: Name) -> tuple[Any, Model, Captioned, dict[str, Any]]:
    """Their model, ours with its weights, the pairs, and what to record of both."""
    torch.manual_seed(0)
    model = clip(Pixels(256, SHAPE), Captions(Bytes(64)), SIZE)  # type: ignore[arg-type]
    with TemporaryDirectory() as folder:
        write_clip(model, folder)
        theirs = peer.clip(Path(folder))
    values = torch.randint(256, (ROWS, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    captions = [[f"a picture of the number {i}"] for i in range(ROWS)]
    sizes = {"ours": parameters(model), "peer": sum(p.numel() for p in theirs.parameters())}
    config: dict[str, Any] = {"parameters": sizes}
    return theirs, model, Captioned(Pictures(values), captions), config | describe_precisions(name)
