r"""Inference in a chain of hidden states: filtering, smoothing, expected transitions and the best path.

    filtered     p(s_t | x_1 .. x_t)          one pass forward
    smoothed     p(s_t | x_1 .. x_T)          and one pass backward
    Viterbi      argmax_s p(s, x)             the same pass with a maximum in place of the sum

The states are those of C separate chains of K states each, [.., C, K], which do not pass from one to another;
a single chain has C = 1. All is in logarithms, normalized at each step, and vectorized over rows. A step is

    log sum_i exp(v_i) A_ij = m + log sum_i exp(v_i - m) A_ij,     m = max_i v_i

a product of matrices instead of K^2 exponentials. It is exact to rounding if each entry of A is 0 or above
1e-200 in a matrix without zeros: what underflows in exp(v_i - m) is below 1e-308 of the largest term.

References: A maximization technique occurring in the statistical analysis of probabilistic functions of
Markov chains, Baum, Petrie, Soules & Weiss, 1970; Error bounds for convolutional codes and an asymptotically
optimum decoding algorithm, Viterbi, 1967; A tutorial on hidden Markov models, Rabiner, 1989.
"""

__all__ = ["Filtered", "expected_transitions", "filter_states", "log_step", "smooth_states", "viterbi"]

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Filtered(NamedTuple):
    """The result of a pass forward over rows of T positions."""

    log_predicted: Float[Tensor, "b t c k"]  # log p(s_t | x_1 .. x_(t-1))
    log_filtered: Float[Tensor, "b t c k"]  # log p(s_t | x_1 .. x_t)
    log_evidence: Float[Tensor, "b t"]  # log p(x_t | x_1 .. x_(t-1))


def log_step(log_v: Float[Tensor, "b c i"], matrix: Float[Tensor, "c i j"]) -> Float[Tensor, "b c j"]:
    """log sum_i exp(v_i) A_ij of each row, by a product of matrices."""
    top = log_v.amax(-1, keepdim=True)
    top = torch.where(top.isfinite(), top, 0.0)  # a chain that the row cannot be in
    return torch.einsum("bci,cij->bcj", (log_v - top).exp(), matrix).log() + top


def filter_states(
    log_initial: Float[Tensor, "b c k"],
    transition: Float[Tensor, "c k k"],
    log_emission: Float[Tensor, "b t c k"],
) -> Filtered:
    """The pass forward.

    Arguments:
        log_initial: log p(s_1), of each row.
        transition: A_ij = p(s_(t+1) = j | s_t = i).
        log_emission: log p(x_t | s_t); 0 where x_t is missing.
    """
    predicted, filtered, evidence = [], [], []
    log_state = log_initial
    for t, log_b in enumerate(log_emission.unbind(1)):
        log_state = log_step(log_state, transition) if t else log_state
        predicted.append(log_state)
        log_joint = log_state + log_b
        total = log_joint.flatten(1).logsumexp(1)
        log_state = log_joint - total[:, None, None]
        filtered.append(log_state)
        evidence.append(total)
    return Filtered(torch.stack(predicted, 1), torch.stack(filtered, 1), torch.stack(evidence, 1))


def smooth_states(
    passed: Filtered, transition: Float[Tensor, "c k k"], log_emission: Float[Tensor, "b t c k"]
) -> Float[Tensor, "b t c k"]:
    """log p(s_t | x_1 .. x_T), the pass backward."""
    log_ratio = torch.zeros_like(passed.log_filtered[:, -1])  # log p(x_(t+1) .. x_T | s_t) / p(.. | x_<=t)
    smoothed = [passed.log_filtered[:, -1]]
    backward = transition.mT
    for t in range(log_emission.shape[1] - 2, -1, -1):
        ahead = log_emission[:, t + 1] + log_ratio - passed.log_evidence[:, t + 1, None, None]
        log_ratio = log_step(ahead, backward)
        smoothed.append(passed.log_filtered[:, t] + log_ratio)
    return torch.stack(smoothed[::-1], 1)


def expected_transitions(
    passed: Filtered,
    log_smoothed: Float[Tensor, "b t c k"],
    transition: Float[Tensor, "c k k"],
    counted: Bool[Tensor, "b t"],
) -> Float[Tensor, "c k k"]:
    """sum_t p(s_t = i, s_(t+1) = j | x), over the rows and over the positions t + 1 that are counted.

    p(i, j | x) = p(s_t = i | x_<=t) A_ij p(s_(t+1) = j | x) / p(s_(t+1) = j | x_<=t)
    """
    # the largest term of each chain is taken out of one factor and put into the other, as in `log_step`
    top = passed.log_filtered[:, :-1].amax(-1, keepdim=True)
    top = torch.where(top.isfinite(), top, 0.0)
    before = (passed.log_filtered[:, :-1] - top).exp()
    log_ratio = (log_smoothed - passed.log_predicted)[:, 1:].nan_to_num(nan=-torch.inf)
    after = (log_ratio + top).exp() * counted[:, 1:, None, None]
    return torch.einsum("btci,btcj->cij", before, after) * transition


def viterbi(
    log_initial: Float[Tensor, "b c k"],
    log_transition: Float[Tensor, "c k k"],
    log_emission: Float[Tensor, "b t c k"],
    ended: Bool[Tensor, "b t"],
) -> tuple[Int[Tensor, "b t"], Float[Tensor, " b"]]:
    """The most likely path, as indices in the C K states, and its log p(s, x).

    Arguments:
        log_initial, log_transition, log_emission: see `filter_states`.
        ended: True at the padding after the end of a row, where a path stays and costs nothing.
    """
    rows, _, chains, k = log_emission.shape
    first = k * torch.arange(chains, device=log_emission.device)[:, None]
    stay = torch.arange(chains * k, device=log_emission.device).expand(rows, -1)
    best = log_initial + torch.where(ended[:, 0, None, None], 0.0, log_emission[:, 0])
    pointers = []
    for log_b, over in zip(log_emission[:, 1:].unbind(1), ended[:, 1:].unbind(1), strict=True):
        top, previous = (best[..., None] + log_transition).max(2)
        best = torch.where(over[:, None, None], best, top + log_b)
        pointers.append(torch.where(over[:, None], stay, (previous + first).flatten(1)))
    log_p, state = best.flatten(1).max(1)
    path = [state]
    for pointer in reversed(pointers):
        path.append(pointer.gather(1, path[-1][:, None])[:, 0])
    return torch.stack(path[::-1], 1), log_p
