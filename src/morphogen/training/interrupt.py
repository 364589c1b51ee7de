"""Being asked to stop: a signal sets a flag, the loop acts on it between two steps, so that nothing is half done."""

__all__ = ["Interrupt"]

import signal
import threading
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Inside the context, the first SIGTERM or Ctrl-C is only noted in `received`; a second one acts as ever."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python hands signals to no other
            self._before = {s: signal.signal(s, self._note) for s in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *error: object) -> None:
        for number in tuple(self._before):
            self._release(number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._release(number)

    def _release(self, number: int) -> None:
        signal.signal(number, self._before.pop(number))
