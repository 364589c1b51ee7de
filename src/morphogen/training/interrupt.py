"""SIGTERM and SIGINT: deferred to the end of a training step, or raised at once where nothing is kept.

Interrupt     the signal sets a flag, on which the training loop stops between two steps
at_once       both raise KeyboardInterrupt within a step too
"""

__all__ = ["Interrupt", "at_once"]

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Context manager that records the first SIGTERM or SIGINT in `received`; a second one acts as usual."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if (
            threading.current_thread() is threading.main_thread()
        ):  # Python allows handlers in this thread only
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) is not _raise:
                    self._previous_handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        for number in tuple(self._previous_handlers):
            self._restore_handler(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore_handler(number)

    def _restore_handler(self, number: int) -> None:
        signal.signal(number, self._previous_handlers.pop(number))


@contextmanager
def at_once() -> Iterator[None]:
    """SIGTERM and SIGINT raise KeyboardInterrupt inside, also in a training: nothing of it is kept."""
    is_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGTERM, signal.SIGINT) if is_main else ()
    previous = {number: signal.signal(number, _raise) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
