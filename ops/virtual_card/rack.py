"""Several cards, each in a slot of its own, until they are taken out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Final

from ops.virtual_card.card import VirtualCard
from ops.virtual_card.image_file import ImageFile, NotKept
from ops.virtual_card.vpcd import NoReader, VpcdSlot

STOP_S: Final = 5.0
"""What a card gets to finish the command that it is at."""
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Placed:
    """A card and the port of its slot; `file` keeps it, where anything does."""

    card: VirtualCard
    port: int
    file: ImageFile | None = None


class Rack:
    """Puts cards in, each in a thread of its own.

    Args:
      placed: the cards.
      host: where the driver of the reader listens.
      connect_s_max: how long to try to connect.
    """

    def __init__(self, placed: Sequence[Placed], host: str, *, connect_s_max: float) -> None:
        self._errors: list[Exception] = []
        self._slots = [
            VpcdSlot(
                each.card,
                host,
                each.port,
                changed=each.file.save if each.file else None,
                connect_s_max=connect_s_max,
            )
            for each in placed
        ]
        self._threads = [
            Thread(target=self._run, args=(slot,), name=f"card at {each.port}", daemon=True)
            for slot, each in zip(self._slots, placed, strict=True)
        ]
        self._until_s = connect_s_max

    def run(self, seen: Callable[[], None]) -> None:
        """Put the cards in, and wait until all are out again.

        Args:
          seen: is called once the reader has seen them all.

        Raises:
          NoReader: no driver listens, or it does not look.
          NotKept: a card could not be written to its file.
          KeyboardInterrupt: somebody said stop; the cards are out.
        """
        try:
            for thread in self._threads:
                thread.start()
            self._wait_seen()
            seen()
            while any(thread.is_alive() for thread in self._threads):
                self._raise()
                for thread in self._threads:
                    thread.join(_LOOK_S)
            self._raise()
        finally:
            for slot in self._slots:
                slot.stop()
            until = time.monotonic() + STOP_S
            for thread in self._threads:
                thread.join(max(0.0, until - time.monotonic()))

    def _wait_seen(self) -> None:
        until = time.monotonic() + self._until_s
        for slot in self._slots:
            while not slot.wait_seen(_LOOK_S):
                self._raise()
                if time.monotonic() >= until + STOP_S:
                    raise NoReader("the reader does not look whether there is a card")

    def _raise(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _run(self, slot: VpcdSlot) -> None:
        try:
            slot.run()
        except (NoReader, NotKept) as error:
            self._errors.append(error)
