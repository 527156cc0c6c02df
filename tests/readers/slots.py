"""A card in a slot of a virtual reader that answers, delays, holds back or lies as a test wants.

Source: the driver `vpcd` of the project vsmartcard.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import ClassVar, Final

CONNECT_S_MAX: Final = 5.0
WAIT_S_MAX: Final = 10.0
ASK_ATR: Final = b"\x04"


class PresentedCard:
    """A card that lies in a slot from now on until it is taken out.

    Args:
      port: where the driver waits for it.
      answer: to a command; None for a card that does not answer.
      atr: None for a card that does not even tell that.
    """

    ATR: ClassVar[bytes] = bytes.fromhex("3B8180018080")

    def __init__(
        self, port: int, answer: Callable[[bytes], bytes | None], atr: bytes | None = ATR
    ) -> None:
        self._answer = answer
        self._atr = atr
        self._socket = connected(port)
        self._thread = threading.Thread(target=self._serve, name="card", daemon=True)
        self._thread.start()

    def take_out(self) -> None:
        """Take the card out, and wait for its thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        # A card may take itself out while it answers.
        if self._thread is not threading.current_thread():
            self._thread.join(WAIT_S_MAX)
            assert not self._thread.is_alive(), "a card does not come to an end"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                message = self._read(int.from_bytes(self._read(2), "big"))
                answer = self._answer_to(message)
                if answer is not None:
                    self._socket.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answer_to(self, message: bytes) -> bytes | None:
        if message == ASK_ATR:
            return self._atr
        return None if len(message) == 1 else self._answer(message)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            # The driver sends length and body apart; see ops.virtual_card.vpcd.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return data


class Held:
    """An answer that is held back until it is let go.

    Attributes:
      asked: set when the card was sent a command.
    """

    def __init__(self, answer: bytes = b"\x90\x00") -> None:
        self.asked = threading.Event()
        self._go = threading.Event()
        self._answer = answer

    def __call__(self, _command: bytes) -> bytes:
        """Answer a command, as soon as that is allowed."""
        self.asked.set()
        assert self._go.wait(WAIT_S_MAX), "a card waits for ever"
        return self._answer

    def let_go(self) -> None:
        """Let the card answer."""
        self._go.set()


def echo(command: bytes) -> bytes:
    """Answer with the data of a command."""
    return command[5 : 5 + command[4]] + b"\x90\x00" if len(command) > 5 else b"\x90\x00"


def connected(port: int) -> socket.socket:
    """Connect to a driver that may not listen yet: after a restart it takes some ms."""
    until_s = time.monotonic() + CONNECT_S_MAX
    while True:
        connection = socket.socket()
        try:
            connection.connect(("127.0.0.1", port))
        except OSError:
            connection.close()
            assert time.monotonic() < until_s, f"no driver listens on {port}"
            time.sleep(0.005)
        else:
            return connection
