"""Several processes that work as one: each has a rank, takes its share of the rows, and has the others' from them when it is done.

    share     rows 0 .. n-1 cut into runs that differ by one row at most          to each process its own
    gather    the runs put together again, in the order of 0 .. n-1               to all the whole
    once      what must not happen twice (a file, a new directory)                the first process does it, all know what came of it

What a row comes to is a function of its index (`numerics.randomness`), so the whole is the same however many share it, but for rounding.
`accelerate launch` starts the processes and writes each one's rank into its environment. Alone, `share` and `gather` give back
what they are given:

    >>> import torch
    >>> [Rank(index, 3).share(torch.arange(7)).tolist() for index in range(3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    >>> ALONE.gather(ALONE.share(torch.arange(3)), 3).tolist(), ALONE.once(lambda: "runs/ddpm-digits-001")
    ([0, 1, 2], 'runs/ddpm-digits-001')
"""

__all__ = ["ALONE", "FirstFailed", "Rank"]

import atexit
import gc
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `morphogen --help` needs a rank, and no torch
    from torch import Tensor


class FirstFailed(RuntimeError):
    """What the first process was to do for all has failed there, and it says why."""


@dataclass(frozen=True)
class Rank:
    """Which process this is, `index` of `count`."""

    index: int
    count: int

    @classmethod
    def launched(cls) -> "Rank":
        """The rank of this process, as its launcher wrote it into the environment; without LOCAL_RANK it was a cluster, for a launcher."""
        told = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
        return cls(int(told[0]), int(told[1])) if all(told) else ALONE

    @classmethod
    def here(cls, device: str = "auto") -> "Rank":
        """The same, and the others are met; all must come. On a GPU of its own, unless `device` is "cpu" or there is none."""
        rank = cls.launched()
        if rank.count > 1:
            _join(device)
        return rank

    @property
    def first(self) -> bool:
        """Whether it does what must not happen twice."""
        return self.index == 0

    def share(self, rows: "Tensor") -> "Tensor":
        """This process's run of the rows; one that is left without any repeats the last, which `gather` drops."""
        mine = rows.tensor_split(self.count)[self.index]
        return mine if len(mine) else rows[-1:]

    def gather(self, mine: "Tensor", n: int) -> "Tensor":
        """What all processes made of their shares of n rows, row by row."""
        if self.count == 1:
            return mine
        import torch
        from torch import distributed

        sizes = [len(run) for run in torch.arange(n).tensor_split(self.count)]
        short = sizes[0] - len(mine)  # the first run is the longest; all send as much
        sent = torch.cat([mine, *[mine[-1:]] * short]).to(_meeting_place()).contiguous()
        runs = [torch.empty_like(sent) for _ in sizes]
        distributed.all_gather(runs, sent)
        return torch.cat([run[:size] for run, size in zip(runs, sizes, strict=True)]).to(mine.device)

    def once(self, act: Callable[[], Any]) -> Any:
        """When all have come this far the first acts, and all go on with what it returned: anything that JSON can hold.

        Errors: what `act` raises, on the first process; FirstFailed on the others.
        """
        if self.count == 1:
            return act()
        _meet()
        if not self.first:
            return _hear()
        try:
            told = {"value": act()}
        except BaseException:
            _tell({})
            raise
        _tell(told)
        return told["value"]


ALONE = Rank(0, 1)


def _join(device: str) -> None:
    """The processes find each other: by gloo on the CPUs, by NCCL besides where each has a GPU."""
    from torch import cuda, distributed

    on_gpus = device != "cpu" and cuda.is_available()
    if on_gpus:
        cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo")
        atexit.register(_part)


def _part() -> None:
    """The processes part before Python ends: a group that is still open then, or held by what is no longer used, can abort it."""
    from torch import distributed

    if distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()


def _meeting_place() -> str:
    """Where tensors must lie to be sent: on the CPU, unless somebody else opened the group, for GPUs alone."""
    from torch import distributed

    return "cpu" if "gloo" in distributed.get_backend_config() else "cuda"


def _meet() -> None:
    """Wait for everybody."""
    import torch

    torch.distributed.all_reduce(torch.zeros(1, device=_meeting_place()))


def _tell(told: dict[str, Any]) -> None:
    """The first process says something: its length, then the JSON of it."""
    import torch

    words = torch.tensor(list(json.dumps(told).encode()), dtype=torch.uint8, device=_meeting_place())
    torch.distributed.broadcast(torch.tensor([len(words)], device=words.device), src=0)
    torch.distributed.broadcast(words, src=0)


def _hear() -> Any:
    """What the first process says."""
    import torch

    length = torch.zeros(1, dtype=torch.int64, device=_meeting_place())
    torch.distributed.broadcast(length, src=0)
    words = torch.empty(int(length), dtype=torch.uint8, device=length.device)
    torch.distributed.broadcast(words, src=0)
    told = json.loads(bytes(words.tolist()))
    if "value" not in told:
        raise FirstFailed("the first of the processes could not go on; it says why")
    return told["value"]
