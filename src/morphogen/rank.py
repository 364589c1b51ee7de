"""Several processes that act as one: shard rows over ranks, gather the results, and run side effects once.

    shard     split rows 0 .. n-1 into contiguous shards whose sizes differ by at most one
    gather    concatenate the shards of all ranks, in the order 0 .. n-1
    once      run a function on the first rank only (a file, a new directory) and broadcast its result

The result for a row depends only on its index (`numerics.randomness`), so it does not depend on the number of
ranks, up to rounding. `accelerate launch` starts the processes and sets each one's rank in its environment.
With a single process, `shard` and `gather` return their argument:

    >>> import torch
    >>> [Rank(index, 3).shard(torch.arange(7)).tolist() for index in range(3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    >>> ALONE.gather(ALONE.shard(torch.arange(3)), 3).tolist(), ALONE.once(lambda: "runs/ddpm-digits-001")
    ([0, 1, 2], 'runs/ddpm-digits-001')
"""

__all__ = ["ALONE", "FirstRankFailed", "Rank"]

import atexit
import gc
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `morphogen --help` needs a rank but not torch
    from torch import Tensor


class FirstRankFailed(RuntimeError):
    """Raised on the other ranks when `Rank.once` failed on the first one, which reports the error."""


@dataclass(frozen=True)
class Rank:
    """The rank of this process: `index` of `count`."""

    index: int
    count: int

    @classmethod
    def launched(cls) -> "Rank":
        """The rank set by the launcher; `ALONE` without LOCAL_RANK (schedulers set the others too)."""
        values = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
        return cls(int(values[0]), int(values[1])) if all(values) else ALONE

    @classmethod
    def initialize(cls, device: str = "auto") -> "Rank":
        """Initialize the process group and return the rank; a collective call that every process must make.

        Each process uses its own GPU, unless `device` is "cpu" or there is none.
        """
        rank = cls.launched()
        if rank.count > 1:
            _init_process_group(device)
        return rank

    @property
    def is_first(self) -> bool:
        """Whether this rank performs side effects."""
        return self.index == 0

    def shard(self, rows: "Tensor") -> "Tensor":
        """This rank's rows; a rank without any repeats the last row, which `gather` drops."""
        mine = rows.tensor_split(self.count)[self.index]
        return mine if len(mine) else rows[-1:]

    def gather(self, mine: "Tensor", n: int) -> "Tensor":
        """Concatenate the results of all ranks for n rows."""
        if self.count == 1:
            return mine
        import torch
        from torch import distributed

        sizes = [len(shard) for shard in torch.arange(n).tensor_split(self.count)]
        missing = sizes[0] - len(mine)  # the first shard is the largest; all ranks send that many rows
        sent = torch.cat([mine, *[mine[-1:]] * missing]).to(_communication_device()).contiguous()
        shards = [torch.empty_like(sent) for _ in sizes]
        distributed.all_gather(shards, sent)
        return torch.cat([shard[:size] for shard, size in zip(shards, sizes, strict=True)]).to(mine.device)

    def once(self, act: Callable[[], Any]) -> Any:
        """Run `act` on the first rank after a barrier; every rank returns its result, which must be JSON.

        Errors: whatever `act` raises, on the first rank; FirstRankFailed on the others.
        """
        if self.count == 1:
            return act()
        _barrier()
        if not self.is_first:
            return _receive()
        try:
            result = {"value": act()}
        except BaseException:
            _broadcast({})
            raise
        _broadcast(result)
        return result["value"]


ALONE = Rank(0, 1)


def _init_process_group(device: str) -> None:
    """Initialize gloo on the CPU, and NCCL as well if each process has a GPU."""
    from torch import cuda, distributed

    on_gpus = device != "cpu" and cuda.is_available()
    if on_gpus:
        cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo")
        atexit.register(_destroy_process_group)


def _destroy_process_group() -> None:
    """Close the group before Python exits; one that is still open or referenced can abort the process."""
    from torch import distributed

    if distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()


def _communication_device() -> str:
    """Device of the tensors that are sent: the CPU, unless the group was opened elsewhere for GPUs only."""
    from torch import distributed

    return "cpu" if "gloo" in distributed.get_backend_config() else "cuda"


def _barrier() -> None:
    """Wait for all ranks."""
    import torch

    torch.distributed.all_reduce(torch.zeros(1, device=_communication_device()))


def _broadcast(message: dict[str, Any]) -> None:
    """Send a message from the first rank: its length, then its JSON."""
    import torch

    encoded = list(json.dumps(message).encode())
    content = torch.tensor(encoded, dtype=torch.uint8, device=_communication_device())
    torch.distributed.broadcast(torch.tensor([len(content)], device=content.device), src=0)
    torch.distributed.broadcast(content, src=0)


def _receive() -> Any:
    """Receive the first rank's message."""
    import torch

    length = torch.zeros(1, dtype=torch.int64, device=_communication_device())
    torch.distributed.broadcast(length, src=0)
    content = torch.empty(int(length), dtype=torch.uint8, device=length.device)
    torch.distributed.broadcast(content, src=0)
    message = json.loads(bytes(content.tolist()))
    if "value" not in message:
        raise FirstRankFailed("the first process failed; it reports the reason")
    return message["value"]
