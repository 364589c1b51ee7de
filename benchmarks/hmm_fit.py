"""`python -m benchmarks.hmm_fit`: seconds of a round of Baum-Welch, ours and hmmlearn's, on the same text.

Both start from the same probabilities and have the same likelihoods after each round. The peer works in
logarithms, as ours does, or with scaled probabilities; both of its implementations are compiled. Figures are
stated, and not stored.
"""

__all__ = ["main", "seconds_of_ours", "seconds_of_hmmlearn"]

import sys
import time
from typing import Any

import numpy as np
import torch

from morphogen.closed_form_chains import noisy_cycle
from morphogen.contract import Encoded
from morphogen.families.autoregressive import Ancestral
from morphogen.families.classical import CategoricalEmissions, HiddenMarkov, TokenChain
from morphogen.numerics.randomness import Rng

STATES, VOCABULARY, LENGTH, ROUNDS = 16, 64, 128, 3


def main(rows: int = 500) -> None:
    """State the seconds per round of each side, for `rows` sequences of 128 tokens."""
    x = noisy_cycle(STATES, VOCABULARY, LENGTH).sample(Rng(0, rows))
    start = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(VOCABULARY), STATES))
    ours = seconds_of_ours(x, start)
    lines = [f"ours: {ours:.3f} s per round of {rows} x {LENGTH} tokens, {STATES} states"]
    for kind in ("log", "scaling"):
        theirs = seconds_of_hmmlearn(x, start, kind)
        lines.append(f"hmmlearn ({kind}): {theirs:.3f} s, {theirs / ours:.2f} times ours")
    sys.stdout.write("\n".join(lines) + "\n")


def seconds_of_ours(x: torch.Tensor, start: torch.Tensor) -> float:
    """Seconds of a round of EM."""
    chain = TokenChain(CategoricalEmissions(VOCABULARY, STATES))
    chain.emissions.counts.copy_(start)
    model = HiddenMarkov(chain, Ancestral())
    encoded = Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(LENGTH)))
    began = time.perf_counter()
    for step in range(ROUNDS):
        losses = model.losses(encoded, None, Rng(0, len(x)), "model")
        model.update_from_statistics(losses.statistics, step)
    return (time.perf_counter() - began) / ROUNDS


def seconds_of_hmmlearn(x: torch.Tensor, start: torch.Tensor, kind: str) -> float:
    """Seconds of a round of `CategoricalHMM.fit` of an implementation, "log" or "scaling"."""
    from hmmlearn.hmm import CategoricalHMM

    even = np.full((STATES, STATES), 1 / STATES)
    arguments: dict[str, Any] = {"n_iter": ROUNDS, "tol": -np.inf, "init_params": "", "implementation": kind}
    peer = CategoricalHMM(STATES, n_features=VOCABULARY, **arguments)
    peer.startprob_, peer.transmat_, peer.emissionprob_ = even[0], even, start.numpy()
    began = time.perf_counter()
    peer.fit(x.reshape(-1, 1).numpy(), [LENGTH] * len(x))
    return (time.perf_counter() - began) / ROUNDS


if __name__ == "__main__":
    main()
