r"""Train a transformer language model on a nursery rhyme in half a minute, in one file.

    p(x) = prod_i p(x_i | x_1 .. x_(i-1)),     each factor a softmax over the 256 bytes

Run `python examples/tiny_transformer.py`, then change a number below and run it again. The parts come from
morphogen. The training loop is written out: batch, loss, gradient, step. `mg.train` adds averaged weights,
checkpoints and several machines.
"""

import time

import torch

import morphogen as mg
from morphogen.conditioning import Prefix
from morphogen.families.autoregressive import Autoregressive
from morphogen.networks import gpt2
from morphogen.representations import Bytes

LENGTH = 96  # context length in bytes
WIDTH, LAYERS, HEADS = 64, 2, 4
BATCH, LEARNING_RATE = 16, 3e-3
TEMPERATURE = 1.0  # 1: the learned distribution; lower: more likely texts; higher: more varied ones
PROMPT = "This is the "

HOUSE = """lay in the house that Jack built.
malt|That
rat|That ate the
cat|That killed the
dog|That worried the
cow with the crumpled horn|That tossed the
maiden all forlorn|That milked the
man all tattered and torn|That kissed the
priest all shaven and shorn|That married the
cock that crowed in the morn|That waked the
farmer sowing his corn|That kept the"""


def verses() -> list[str]:
    """The traditional rhyme, in which each verse is one line longer than the one before."""
    end, *links = HOUSE.split("\n")
    rest, rhyme = f" {end}\n", ["This is the house that Jack built.\n"]
    for link in links:
        who, verb = link.split("|")
        rhyme.append(f"This is the {who}\n{verb}{rest}")
        rest = f" {who}\n{verb}{rest}"
    return rhyme


def windows(text: bytes, starts: torch.Tensor) -> torch.Tensor:
    """The LENGTH bytes from each start: int64 [B, LENGTH]."""
    return torch.tensor(list(text))[starts[:, None] + torch.arange(LENGTH)]


def bits_per_byte(model: mg.Model, text: bytes) -> float:
    """Exact bits per byte of a text under the model; 8 for a uniform model."""
    starts = torch.arange(0, len(text) - LENGTH + 1, LENGTH)
    return model.log_prob(windows(text, starts)).bits_per_dim.mean().item()


def main(seconds: float = 30.0, seed: int = 0) -> float:
    """Train and print two samples; returns the bits per byte of the last verse, which is held out."""
    *known, last = verses()
    train, held_out = "\n".join(known).encode(), last.encode()
    torch.manual_seed(seed)  # of the initial weights
    network = gpt2(vocabulary=256, length=LENGTH, width=WIDTH, layers=LAYERS, heads=HEADS)
    model = mg.Model(Autoregressive(network), Bytes(LENGTH), Prefix())
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(train)} bytes of training text")
    print(f"before: {bits_per_byte(model, held_out):.2f} bits per byte of the last verse")

    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    start, step = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        rng = mg.Rng(seed, BATCH, ("step", step))  # all random numbers are a function of seed and step
        rows = windows(train, rng.fork("starts").integers(len(train) - LENGTH + 1))
        loss = model(mg.Batch(rows), rng, "model").total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1

    held_out_bits, train_bits = bits_per_byte(model, held_out), bits_per_byte(model, train)
    print(f"after {step} steps: {held_out_bits:.2f} bits per byte, {train_bits:.2f} on the training text")
    prompt = torch.tensor(list(PROMPT.encode())).expand(2, -1)
    sampler = mg.Ancestral(mg.logits_processors(temperature=TEMPERATURE))
    for text in model.sample(2, prompt, sampler, seed=seed).decode():
        print("---", text, sep="\n")
    return held_out_bits


if __name__ == "__main__":
    main()
