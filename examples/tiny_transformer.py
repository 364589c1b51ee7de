r"""A transformer learns a nursery rhyme in half a minute: the whole of a language model on one page.

    p(x) = prod_i p(x_i | x_1 .. x_(i-1)),     each factor a softmax over the 256 bytes

Run it (python examples/tiny_transformer.py), then change a number below and run it again. The parts come from morphogen; the
loop is written out, because five lines of it are all that training is: rows, losses, gradient, step. What `mg.train` adds is
averages of the weights, checkpoints, several machines.
"""

import time

import torch

import morphogen as mg
from morphogen.conditioning.prefix import Prefix
from morphogen.contract import Batch
from morphogen.families.autoregressive import Ancestral, Autoregressive, rules_of
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes

LENGTH = 96  # bytes the transformer sees at once
WIDTH, LAYERS, HEADS = 64, 2, 4
BATCH, LEARNING_RATE = 16, 3e-3
TEMPERATURE = 1.0  # 1: the law it learned; below: safer, above: wilder
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
    """The traditional rhyme, each verse one line longer than the one before."""
    end, *links = HOUSE.split("\n")
    told, found = f" {end}\n", ["This is the house that Jack built.\n"]
    for link in links:
        who, verb = link.split("|")
        found.append(f"This is the {who}\n{verb}{told}")
        told = f" {who}\n{verb}{told}"
    return found


def windows(text: bytes, starts: torch.Tensor) -> torch.Tensor:
    """The LENGTH bytes from each start: int64 [B, LENGTH]."""
    return torch.tensor(list(text))[starts[:, None] + torch.arange(LENGTH)]


def bits_per_byte(model: mg.Model, text: bytes) -> float:
    """What a byte of this text costs under the model, exactly: 8 for one that knows nothing."""
    starts = torch.arange(0, len(text) - LENGTH + 1, LENGTH)
    return model.log_prob(windows(text, starts)).bits_per_dim.mean().item()


def main(seconds: float = 30.0, seed: int = 0) -> float:
    """Train for so long; print what was learned; the bits per byte of the last verse, which was kept out of the training."""
    *known, last = verses()
    train, held_out = "\n".join(known).encode(), last.encode()
    torch.manual_seed(seed)  # where the weights start
    network = gpt2(vocabulary=256, length=LENGTH, width=WIDTH, layers=LAYERS, heads=HEADS)
    model = mg.Model(Autoregressive(network), Bytes(LENGTH), Prefix())
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(train)} bytes to learn from")
    print(f"before: {bits_per_byte(model, held_out):.2f} bits a byte of the last verse")

    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    begun, step = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        rng = Rng(seed, BATCH, ("step", step))  # every number drawn is a function of the seed and the step
        rows = windows(train, rng.fork("starts").integers(len(train) - LENGTH + 1))
        loss = model(Batch(rows), rng, "model").total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1

    found = bits_per_byte(model, held_out)
    print(f"after {step} steps: {found:.2f} bits a byte of the last verse, {bits_per_byte(model, train):.2f} of the others")
    prompt = torch.tensor(list(PROMPT.encode())).expand(2, -1)
    for text in model.sample(2, prompt, Ancestral(rules_of(temperature=TEMPERATURE)), seed=seed).decode():
        print("---", text, sep="\n")
    return found


if __name__ == "__main__":
    main()
