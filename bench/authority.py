"""An authority that certifies nodes and terminals for an hour: for measurements and for tests."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from msgspec import Struct

VALID_FOR: Final = timedelta(hours=1)
THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
"""Names of a node that is reached from its own machine only."""

_SIGNS: Final = x509.KeyUsage(
    key_cert_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
"""What an authority's key is for; strict readers want to be told."""


class Pair(Struct, frozen=True):
    """The paths of a certificate and of its key, both in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Certifies names, each with a key of its own.

    Args:
      name: its own.

    Attributes:
      pem: its certificate.
    """

    def __init__(self, name: str = "an authority for an hour") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _called(name)
        builder = _builder(self._name, self._key.public_key(), self._name)
        is_authority = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(is_authority, critical=True)
        builder = builder.add_extension(_SIGNS, critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = builder.add_extension(own, critical=False)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def certify(self, folder: Path, subject: str, *names: str) -> Pair:
        """Write a certificate and its key as `SUBJECT.pem` and `SUBJECT.key`, over older ones.

        Args:
          folder: where they are written.
          subject: the common name.
          names: hosts and addresses that it holds for besides.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_called(subject), key.public_key(), self._name)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if names:
            others = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(others, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pair = Pair(folder / f"{subject}.pem", folder / f"{subject}.key")
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair

    def trusted(self, pair: Pair | None = None) -> ssl.SSLContext:
        """Return the rules of a client that trusts this authority.

        Args:
          pair: what the client shows of itself.
        """
        context = ssl.create_default_context(cadata=self.pem.decode())
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - VALID_FOR,
        not_valid_after=now + VALID_FOR,
    )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
