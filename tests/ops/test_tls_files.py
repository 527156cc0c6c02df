"""What is read from the files of a certificate, and what is said where they cannot be used."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from actors.errors import CertificateUnusable
from bench.authority import Authority
from ops.tls_files import TlsFiles

NO_PAIR = "are no certificate and its key without a password"


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """A certificate, its key, and the authority of clients."""
    authority = Authority()
    pair = authority.certify(tmp_path, "node", "localhost")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    return TlsFiles(pair.certificate, pair.key, tmp_path / "ca.pem")


def test_tls_1_3_is_the_oldest_version_and_clients_are_asked_where_told_so(
    files: TlsFiles,
) -> None:
    asking = files.load()
    assert asking.minimum_version is ssl.TLSVersion.TLSv1_3
    assert asking.verify_mode is ssl.CERT_REQUIRED
    assert TlsFiles(files.certificate, files.key).load().verify_mode is ssl.CERT_NONE


def encrypt(files: TlsFiles) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    password = BestAvailableEncryption(b"password")
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def authority_of(files: TlsFiles) -> Path:
    assert files.client_ca is not None
    return files.client_ca


def exchange_key(files: TlsFiles) -> None:
    other = Authority().certify(files.key.parent, "other")
    other.key.replace(files.key)


SPOILT: dict[str, tuple[Callable[[TlsFiles], object], str]] = {
    "no key": (lambda files: files.key.unlink(), "node.key: No such file or directory"),
    "no certificate": (lambda files: files.certificate.unlink(), "node.pem: No such file"),
    "no authority": (lambda files: authority_of(files).unlink(), "ca.pem: No such file"),
    "an empty key": (lambda files: files.key.write_bytes(b""), NO_PAIR),
    "half a certificate": (lambda files: cut_short(files.certificate), NO_PAIR),
    "an encrypted key": (encrypt, NO_PAIR),
    "another key": (exchange_key, "node.key is not the key of .*node.pem"),
    "half an authority": (lambda files: cut_short(authority_of(files)), "ca.pem holds no"),
    "an empty authority": (lambda files: authority_of(files).write_bytes(b""), "ca.pem holds no"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_cannot_be_used_is_said(files: TlsFiles, what: str) -> None:
    spoil, why = SPOILT[what]
    spoil(files)
    with pytest.raises(CertificateUnusable, match=why):
        files.load()


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "replaced": lambda path: Path(shutil.copy2(path, f"{path}.new")).replace(path),
    "touched": lambda path: os.utime(path, ns=(1, 1)),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_change_of_any_file_changes_the_stamp(files: TlsFiles, number: int, change: str) -> None:
    before = files.stamp()
    assert files.stamp() == before
    CHANGES[change]((files.certificate, files.key, authority_of(files))[number])
    assert files.stamp() != before
