"""The certificate of a node: shown to new connections, and looked for anew while they come."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

import trio

from actors import limits
from actors.errors import CertificateUnusable
from actors.runtime import ChildSpec, Intensity, Life
from actors.seams import Offload
from actors.tls import Context, TlsTransport
from actors.transport import SocketTransport


class CertificateFiles(Protocol):
    """Where a certificate comes from."""

    def stamp(self) -> Hashable:
        """Return what is another value when a file may have changed; blocks for a moment."""
        ...

    def load(self) -> Context:
        """Return the rules of new connections; blocks for a moment.

        Raises:
          CertificateUnusable: nobody could connect with what is there.
        """
        ...


class Certificates:
    """Holds the certificate for new connections, and renews it when its files change.

    Connections keep the one that they were opened with. What cannot be used is told once, and the
    one before it stays.

    Args:
      files: where it comes from.
      offload: runs what reads files.
      note: takes one line for the operator.

    Raises:
      CertificateUnusable: there is none to begin with.
    """

    def __init__(
        self, files: CertificateFiles, *, offload: Offload, note: Callable[[str], None]
    ) -> None:
        self._files = files
        self._offload = offload
        self._note = note
        # Taken before the files are read: what is changed meanwhile is seen at the first look.
        self._seen = self._tried = files.stamp()
        self._context = files.load()

    def secure(self, line: SocketTransport) -> TlsTransport:
        """Return TLS around a new connection, with the certificate of this moment."""
        return TlsTransport(line, self._context)

    def as_child(self) -> ChildSpec:
        """Return the child that looks at the files."""
        # Connections do not need it, so its failures are no reason to end the node: with waits
        # that double it is tried again for ever.
        return ChildSpec("certificates", self._watch, intensity=Intensity(restarts_max=20))

    async def _watch(self, life: Life) -> None:
        life.ready()
        while not life.stopping.is_set():
            with trio.move_on_after(limits.CERTIFICATE_LOOK_S):
                await life.stopping.wait()
            await self.look()

    async def look(self) -> None:
        """Look at the files, and take them up if they have changed and now stand still."""
        stamp = await self._offload(self._files.stamp)
        if stamp != self._seen:
            # Perhaps only half of it is written, or the certificate without its key.
            self._seen = stamp
        elif stamp != self._tried:
            self._tried = stamp
            await self._renew()

    async def _renew(self) -> None:
        try:
            self._context = await self._offload(self._files.load)
        except CertificateUnusable as unusable:
            self._note(f"the certificate stays the one before: {unusable}")
        else:
            self._note("the certificate was renewed, new connections are shown it")
