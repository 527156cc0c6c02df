"""The subscriptions of one connection: which are open, and which are refused."""

from __future__ import annotations

from protocol.errors import Code, ProtocolViolation, QueryCode
from protocol.limits import SUBSCRIBE_RETRY_MS, SUBSCRIPTIONS_OPEN_MAX
from protocol.messages import FeedEnd, Subscribe


class Subscriptions:
    """The open subscriptions of a connection.

    Args:
      open_max: as many at once.
    """

    def __init__(self, open_max: int = SUBSCRIPTIONS_OPEN_MAX) -> None:
        self._open: set[int] = set()
        self._open_max = open_max

    def __contains__(self, number: int) -> bool:
        """Tell whether a subscription of this id is open."""
        return number in self._open

    def take(self, wanted: Subscribe) -> FeedEnd | None:
        """Open a subscription; `end` has to be called for it, also where it is refused.

        Returns:
          The refusal, if it is one.

        Raises:
          ProtocolViolation: one of this id is open.
        """
        if wanted.id in self._open:
            text = "a subscription of this id is open"
            raise ProtocolViolation(Code.FIELD_INVALID, "subscribe.id", text)
        has_room = len(self._open) < self._open_max
        self._open.add(wanted.id)
        return None if has_room else no_room(wanted.id)

    def end(self, number: int) -> None:
        """Let go of a subscription."""
        self._open.remove(number)


def no_room(number: int) -> FeedEnd:
    """Return the refusal of a subscription for which there is no room."""
    text = "there is no room for another subscription"
    return FeedEnd(number, QueryCode.BUSY, "", text, SUBSCRIBE_RETRY_MS)
