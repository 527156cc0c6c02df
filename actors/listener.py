"""The listener: accepts connections and looks after those that fall silent."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TypeAlias

import trio

from actors import limits
from actors.certificates import Certificates
from actors.key_watch import KeyWatch
from actors.reception import Reception
from actors.runtime import ChildSpec, Life, Reporter, Restart, Supervisor
from actors.runtime.budget import Chance
from actors.terminal import Services, TerminalActor
from actors.transport import SocketTransport
from actors.turns import Breath
from protocol.websocket import NO_ROOM

ListeningSocket: TypeAlias = socket.socket
"""What `open_listening_socket` makes."""

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def open_listening_socket(host: str, port: int) -> ListeningSocket:
    """Listen on an address; port 0 takes a free one.

    Raises:
      OSError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.settimeout(0)
        listening.bind((host, port))
        listening.listen(limits.LISTEN_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


class Listener:
    """Supervises the terminals of a node: one temporary child for each connection.

    A terminal that hangs up is a normal exit; thousands may do so at once and spend no budget.

    Args:
      listening: the socket, which stays the caller's.
      services: handed to each terminal actor.
      report: takes what an operator wants to know.
      note: takes one line for the operator.
      chance: for backoffs.
      certificates: what is shown to new connections; without them nothing is encrypted.
    """

    def __init__(
        self,
        listening: ListeningSocket,
        services: Services,
        *,
        report: Reporter,
        note: Callable[[str], None],
        chance: Chance,
        certificates: Certificates | None = None,
    ) -> None:
        self._listening = listening
        self._services = services
        self._note = note
        self._certificates = certificates
        self._connections: dict[TerminalActor, None] = {}
        self._reception = Reception()
        self._served = 0
        watch = KeyWatch(self._connections.keys(), services.keys, services.latest_ms, note)
        children = [
            ChildSpec("accept", self._accept),
            ChildSpec("sweep", self._sweep),
            ChildSpec("keys", watch.run),
        ]
        if certificates is not None:
            children.append(certificates.as_child())
        self.supervisor = Supervisor(
            "listener",
            children,
            report=report,
            chance=chance,
            dynamic_max=limits.SESSIONS_MAX,
        )

    @property
    def connections(self) -> int:
        """How many terminals are connected."""
        return len(self._connections)

    async def _accept(self, life: Life) -> None:
        life.ready()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._accept_for_ever)
            await life.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _accept_for_ever(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._listening)
            try:
                self._accept_some()
            except (BlockingIOError, ConnectionAbortedError):
                pass
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                self._note(f"no more connections can be taken: {error}")
                await trio.sleep(limits.SWEEP_S)
            await trio.sleep(limits.ACCEPT_PAUSE_S)

    def _accept_some(self) -> None:
        for _ in range(limits.ACCEPTED_AT_ONCE):
            connected, _ = self._listening.accept()
            self._serve(connected)

    def _serve(self, connected: socket.socket) -> None:
        line = SocketTransport(connected)
        transport = self._certificates.secure(line) if self._certificates else line
        terminal = TerminalActor(transport, self._services, self._reception)
        self._served += 1

        async def serve(life: Life) -> None:
            self._connections[terminal] = None
            try:
                await terminal.run(life)
            finally:
                del self._connections[terminal]

        spec = ChildSpec(
            f"terminal-{self._served}",
            serve,
            Restart.TEMPORARY,
            shutdown_timeout_s=limits.DRAIN_S,
        )
        if not self.supervisor.start_child(spec):
            transport.turn_away(NO_ROOM)

    async def _sweep(self, life: Life) -> None:
        life.ready()
        while not life.stopping.is_set():
            with trio.move_on_after(limits.SWEEP_S):
                await life.stopping.wait()
            await self._check_deadlines()

    async def _check_deadlines(self) -> None:
        breath = Breath()
        for terminal in list(self._connections):
            terminal.check_deadline()
            await breath.take()
