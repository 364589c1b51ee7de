"""Adam of all parameters of a player in one pass: native/adam.cpp, which also clips and averages.

    g <- scale g,   w <- Adam(w, g),   average <- d average + (1 - d) w            Kingma & Ba 2015

The state is that of the torch optimizer, whose step is the twin, so that checkpoints are the same with and
without the kernel.
"""

__all__ = ["FusedAdam", "gradient_norm"]

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.native.kernels import available
from morphogen.training.ema import Ema

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # torch's names of m, v and t


def gradient_norm(gradients: list[Tensor]) -> Float[Tensor, ""]:
    """The Euclidean norm over all tensors; at least one."""
    if _suits(gradients):
        norm: Tensor = torch.ops.morphogen.gradient_norm(gradients)
        return norm
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))


class FusedAdam:
    """The steps of a torch optimizer, `torch.optim.Adam` or `AdamW`, by the kernel.

    Arguments:
        optimizer: see `of`; it need not have taken a step.
    """

    def __init__(self, optimizer: torch.optim.Adam | torch.optim.AdamW):
        self.optimizer = optimizer
        self._lists: dict[tuple[int, ...], tuple[list[Tensor], ...]] = {}  # by the parameters' ids

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer | None) -> "FusedAdam | None":
        """For an optimizer whose steps the kernel can take, Adam of fp32 parameters on a CPU; else None."""
        if not isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
            return None
        return cls(optimizer) if all(_suits(group["params"]) for group in optimizer.param_groups) else None

    def step(self, scale: float, turn: int, ema: Ema | None) -> None:
        """A step with gradients scaled by `scale`, after which `ema`, if any, is updated for this turn."""
        moved = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        averages = {} if ema is None else dict(zip(map(id, ema.parameters), ema.average, strict=True))
        decay = 0.0 if ema is None else ema.decay_at(turn)
        for group in self.optimizer.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            torch.ops.morphogen.adam_(
                parameters, [p.grad for p in parameters], *self._state_of(parameters),
                [averages[id(p)] for p in parameters] if averages else [], scale, group["lr"],
                *group["betas"], group["eps"], group["weight_decay"], decay,
            )  # fmt: skip
        if ema is not None and len(moved) < len(ema.parameters):
            ema.update(turn, without=moved)

    def forget(self) -> None:
        """Read the optimizer's state again, after it was loaded."""
        self._lists = {}

    def _state_of(self, parameters: list[Tensor]) -> tuple[list[Tensor], ...]:
        """Lists of the parameters' moments and counts of steps, which are 0 before the first."""
        key = tuple(map(id, parameters))
        if key not in self._lists:
            for parameter in parameters:
                state = self.optimizer.state[parameter]
                if not state:
                    state["step"] = torch.zeros((), dtype=torch.float32)
                    state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(parameter) for _ in range(2))
            states = [self.optimizer.state[parameter] for parameter in parameters]
            self._lists = self._lists if len(self._lists) < 16 else {}  # which have gradients may vary
            self._lists[key] = tuple([state[name] for state in states] for name in _MOMENTS)
        return self._lists[key]


def _suits(tensors: Sequence[Tensor]) -> bool:
    """Whether the kernel accepts the tensors."""
    return all(t.is_cpu and t.dtype == torch.float32 for t in tensors) and available("adam")
