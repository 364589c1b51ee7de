r"""Language models on text of known entropy rate: how many nats per token each is above it.

    excess = - E log p(x) / T - h,     h = lim H(x_T | x_1 .. x_(T-1))

The text is that of a hidden Markov model (`closed_form_chains.noisy_cycle`), so that one can reach h, while
a recurrent network or a transformer has to learn to infer the hidden state. A row begins in an unknown state,
which costs every model the same: `first` is that of the distribution itself.
"""

__all__ = ["hmm_text"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.closed_form_chains import noisy_cycle
from morphogen.evaluation.intervals import mean
from morphogen.model import parameters
from morphogen.numerics.randomness import Rng
from morphogen.recipes.gan_rings import ClosedFormRows
from morphogen.recipes.records import environment, system_record
from morphogen.representations.text import Characters
from morphogen.training.loop import train

SYSTEMS = "hmm", "rnn_lm", "gpt"
ALPHABET, STATES, LENGTH = "abcdefgh", 4, 128
ROWS, TEST_ROWS = 20_000, 5_000


def hmm_text(
    systems: Sequence[str] = SYSTEMS, budget: float = 180.0, size: str = "small", seed: int = 0,
    rows: int = ROWS, directory: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Nats per token above the entropy rate of each system, on the same text.

    Arguments:
        systems: their names.
        budget: seconds of training per system.
        size: of the systems.
        seed: of the text, of initial weights and of training.
        rows: of `LENGTH` tokens to train on.
        directory: its subdirectories keep the trainings, which are resumed; None: nothing is saved.
    """
    truth = noisy_cycle(STATES, len(ALPHABET), LENGTH)
    rate, text = truth.entropy_rate(), Characters(ALPHABET, LENGTH)
    data = ClosedFormRows(truth.sample(Rng(seed, rows, ("data",))))
    test = truth.sample(Rng(seed, TEST_ROWS, ("test",)))
    own = truth.log_prob(test) / LENGTH
    figures: dict[str, Any] = {"first": mean(-own - rate.nats)}
    records: dict[str, Any] = {}
    for name in systems:
        torch.manual_seed(seed)  # of the initial weights
        model = build_system(name, text, {}, size)
        folder = None if directory is None else directory / name
        trained = train(model, data, time=budget, seed=seed, directory=folder)
        nats = model.log_prob(test).nats.double() / LENGTH
        figures[name] = {
            "excess": mean(-nats - rate.nats),
            "above_truth": mean(own - nats),  # the divergence from the distribution, per token
            "parameters": parameters(model),
            "steps": trained.steps,
            "seconds": round(trained.seconds),
        }
        records[name] = system_record(name, size, text, model)
    settings = {"data": f"{STATES} states, {len(ALPHABET)} tokens", "split": f"{rows} rows", "seed": seed}
    settings |= {"length": LENGTH, "unit": "nats/token", "budget": budget, "size": size}
    settings |= {"entropy_rate": {"nats": rate.nats, "stderr": rate.stderr}}
    return {"figures": figures, "models": records} | settings | environment()
