"""The files of a node's TLS: its certificate, its key, and the authority of its clients."""

from __future__ import annotations

import ssl
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.errors import CertificateUnusable

ALPN: Final = ("http/1.1",)
"""A websocket is opened by HTTP/1.1; it is chosen where a client offers several."""

_NO_PASSWORD: Final = b""
"""For a key that is encrypted: nobody sits at a node to be asked."""


class TlsFiles(Struct, frozen=True):
    """Paths of PEM files; a connection made with them speaks TLS 1.3 or not at all.

    Attributes:
      certificate: the node's, and behind it those that it was signed with.
      key: of the certificate, not encrypted.
      client_ca: who signs the certificates that clients have to show; None asks for none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def stamp(self) -> Hashable:
        """Return what is another value when a file was written or replaced."""
        return tuple(_stamp(path) for path in self._paths)

    def load(self) -> ssl.SSLContext:
        """Return the rules of new connections.

        Raises:
          CertificateUnusable: a file cannot be read, or they do not fit together.
        """
        # No early data: it could be played again by somebody else. Python offers none.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(ALPN)
        for path in self._paths:
            _check_readable(path)
        try:
            context.load_cert_chain(self.certificate, self.key, _NO_PASSWORD)
        except (OSError, ValueError) as error:
            raise CertificateUnusable(self._why(error)) from error
        if self.client_ca is not None:
            _demand(context, self.client_ca)
        return context

    @property
    def _paths(self) -> list[Path]:
        paths = (self.certificate, self.key, self.client_ca)
        return [path for path in paths if path is not None]

    def _why(self, error: Exception) -> str:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            return f"{self.key} is not the key of {self.certificate}"
        return (
            f"{self.certificate} and {self.key} are no certificate and its key without a password"
        )


def _demand(context: ssl.SSLContext, client_ca: Path) -> None:
    try:
        context.load_verify_locations(client_ca)
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"{client_ca} holds no certificate of an authority") from error
    context.verify_mode = ssl.CERT_REQUIRED
    # A session that is resumed, and resumed again, would outlive the certificate it began with.
    context.num_tickets = 0


def _stamp(path: Path) -> Hashable:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check_readable(path: Path) -> None:
    """Raise CertificateUnusable if a file cannot be read: OpenSSL does not say which of them."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise CertificateUnusable(f"{path}: {error.strerror}") from error
