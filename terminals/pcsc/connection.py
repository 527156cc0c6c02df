"""The real PC/SC service, by the plain calls of pyscard; no other module knows that library.

Its classes are left alone: their monitors poll, die with the service and call back in threads of
their own. Every call here returns a status, which is turned into an exception on the spot.

Source: pcsc-lite API (winscard.h).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smartcard import scard

from terminals.errors import CardGone, CardMute, ReaderFailed
from terminals.pcsc.card_link import STATUS_BYTES
from terminals.pcsc.service import Leaving, Slot

_READERS_CHANGE: Final = "\\\\?PnP?\\Notification"
"""The name that stands for all readers: it changes when one comes or goes."""
_MOVES_SHIFT: Final = 16
"""pcsc-lite counts insertions and removals in the upper half of a state."""

_LEFT: Final = frozenset(
    {
        scard.SCARD_W_REMOVED_CARD,
        scard.SCARD_W_RESET_CARD,
        scard.SCARD_E_NOT_TRANSACTED,
        scard.SCARD_E_NO_SMARTCARD,
    }
)
_MUTE: Final = frozenset(
    {
        scard.SCARD_W_UNRESPONSIVE_CARD,
        scard.SCARD_W_UNPOWERED_CARD,
        scard.SCARD_E_PROTO_MISMATCH,
    }
)
_LOOK_AGAIN: Final = frozenset(
    {scard.SCARD_E_CANCELLED, scard.SCARD_E_TIMEOUT, scard.SCARD_E_UNKNOWN_READER}
)
_DISPOSITIONS: Final = {
    Leaving.AS_IT_IS: scard.SCARD_LEAVE_CARD,
    Leaving.RESET: scard.SCARD_RESET_CARD,
}


class PcscConnection:
    """A card on a reader, exclusively; dead after its first error.

    A card that is swapped for another one between two looks of the service (400 ms) is noticed by
    one failed command only; the next one would already be answered by the other card.
    """

    def __init__(self, reader: str, handle: int, protocol: int) -> None:
        self._reader = reader
        self._handle = handle
        self._protocol = protocol
        self._dead = False

    def transmit(self, command: bytes) -> bytes:
        """Send a command and return its answer, as `CardLink` says."""
        if self._dead:
            raise CardGone(f"{self._reader}: nothing is sent after an error; connect again")
        # Until the answer is here.
        self._dead = True
        code, answer = scard.SCardTransmit(self._handle, self._protocol, list(command))
        if code in _LEFT:
            raise CardGone(f"{self._reader}: the card left: {_said(code)}")
        if code != scard.SCARD_S_SUCCESS:
            raise ReaderFailed(f"{self._reader} did not bring a command to its card: {_said(code)}")
        # A card that leaves in the middle of a command is reported as success, with no bytes.
        if len(answer) < STATUS_BYTES:
            raise CardGone(f"{self._reader}: the card left in the middle of a command")
        self._dead = False
        return bytes(answer)

    def close(self, leaving: Leaving) -> None:
        """Let go of the card; a card or a service that is gone is let go of anyway."""
        self._dead = True
        scard.SCardDisconnect(self._handle, _DISPOSITIONS[leaving])


class PcscContext:
    """A conversation with the service, as `Context` says."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def readers(self) -> tuple[str, ...]:
        """Return the names of all readers."""
        code, names = scard.SCardListReaders(self._handle, [])
        if code == scard.SCARD_E_NO_READERS_AVAILABLE:
            return ()
        _ensure(code, "the PC/SC service does not list its readers")
        return tuple(names)

    def wait(self, known: Mapping[str, Slot | None]) -> dict[str, Slot]:
        """Wait until something is other than known, and return the slots that are."""
        states = [
            (reader, scard.SCARD_STATE_UNAWARE if slot is None else slot.raw)
            for reader, slot in known.items()
        ]
        states.append((_READERS_CHANGE, scard.SCARD_STATE_UNAWARE))
        code, found = scard.SCardGetStatusChange(self._handle, scard.INFINITE, states)
        if code in _LOOK_AGAIN:
            return {}
        _ensure(code, "the PC/SC service does not watch its readers")
        return {
            reader: _slot(state, bytes(atr))
            for reader, state, atr in found
            if reader in known and state & scard.SCARD_STATE_CHANGED
        }

    def cancel(self) -> None:
        """Let `wait` return, if it waits at this moment."""
        scard.SCardCancel(self._handle)

    def connect(self, reader: str) -> PcscConnection:
        """Begin to speak to the card on a reader, and keep everybody else off it."""
        code, handle, protocol = scard.SCardConnect(
            self._handle,
            reader,
            scard.SCARD_SHARE_EXCLUSIVE,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        # pcsc-lite says of a card that does not answer that there is none.
        if code in _MUTE or (code == scard.SCARD_E_NO_SMARTCARD and self._holds_something(reader)):
            raise CardMute(f"{reader}: no card that answers: {_said(code)}")
        if code in _LEFT:
            raise CardGone(f"{reader}: no card: {_said(code)}")
        _ensure(code, f"{reader} does not let us at its card")
        return PcscConnection(reader, handle, protocol)

    def release(self) -> None:
        """End the conversation; a service that is gone has ended it already."""
        scard.SCardReleaseContext(self._handle)

    def _holds_something(self, reader: str) -> bool:
        code, found = scard.SCardGetStatusChange(
            self._handle, 0, [(reader, scard.SCARD_STATE_UNAWARE)]
        )
        return code == scard.SCARD_S_SUCCESS and bool(found[0][1] & scard.SCARD_STATE_PRESENT)


def establish() -> PcscContext:
    """Begin a conversation with the PC/SC service of this machine.

    Raises:
      ReaderFailed: it does not run.
    """
    code, handle = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    _ensure(code, "no PC/SC service")
    return PcscContext(handle)


def _slot(state: int, atr: bytes) -> Slot:
    missing = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE
    return Slot(
        raw=state & ~scard.SCARD_STATE_CHANGED,
        available=not state & missing,
        present=bool(state & scard.SCARD_STATE_PRESENT),
        mute=bool(state & scard.SCARD_STATE_MUTE),
        moves=state >> _MOVES_SHIFT,
        atr=atr,
    )


def _ensure(code: int, text: str) -> None:
    if code != scard.SCARD_S_SUCCESS:
        raise ReaderFailed(f"{text}: {_said(code)}")


def _said(code: int) -> str:
    return f"{scard.SCardGetErrorMessage(code)} ({code:08X})"
