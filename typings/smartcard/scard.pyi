# PC/SC as pyscard hands it on: each call returns its status first, and raises nothing of its own.
# Source: pcsc-lite API, winscard.h; pyscard 2.x, smartcard.scard.
from collections.abc import Sequence

INFINITE: int

SCARD_E_CANCELLED: int
SCARD_E_NOT_TRANSACTED: int
SCARD_E_NO_READERS_AVAILABLE: int
SCARD_E_NO_SMARTCARD: int
SCARD_E_PROTO_MISMATCH: int
SCARD_E_TIMEOUT: int
SCARD_E_UNKNOWN_READER: int
SCARD_LEAVE_CARD: int
SCARD_PROTOCOL_T0: int
SCARD_PROTOCOL_T1: int
SCARD_RESET_CARD: int
SCARD_SCOPE_SYSTEM: int
SCARD_SHARE_EXCLUSIVE: int
SCARD_STATE_CHANGED: int
SCARD_STATE_MUTE: int
SCARD_STATE_PRESENT: int
SCARD_STATE_UNAVAILABLE: int
SCARD_STATE_UNAWARE: int
SCARD_STATE_UNKNOWN: int
SCARD_S_SUCCESS: int
SCARD_W_REMOVED_CARD: int
SCARD_W_RESET_CARD: int
SCARD_W_UNPOWERED_CARD: int
SCARD_W_UNRESPONSIVE_CARD: int

def SCardEstablishContext(scope: int) -> tuple[int, int]: ...
def SCardReleaseContext(context: int) -> int: ...
def SCardListReaders(context: int, groups: Sequence[str]) -> tuple[int, list[str]]: ...
def SCardGetStatusChange(
    context: int, timeout_ms: int, states: list[tuple[str, int]]
) -> tuple[int, list[tuple[str, int, list[int]]]]: ...
def SCardCancel(context: int) -> int: ...
def SCardConnect(context: int, reader: str, share: int, protocols: int) -> tuple[int, int, int]: ...
def SCardTransmit(card: int, protocol: int, command: list[int]) -> tuple[int, list[int]]: ...
def SCardDisconnect(card: int, disposition: int) -> int: ...
def SCardGetErrorMessage(code: int) -> str: ...
