"""Deferred SIGTERM and SIGINT: the signal sets a flag, on which the training loop stops between two steps."""

__all__ = ["Interrupt"]

import signal
import threading
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
