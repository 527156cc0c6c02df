"""A node that speaks TLS, as a process of its own, and `serve` and `replay` before and after it."""

from __future__ import annotations

import json
import shutil
import ssl
from pathlib import Path

import pytest
import trio

from bench.authority import THIS_MACHINE, Authority, Pair
from bench.line import Line, LineBroken, new_key, open_line
from ops.node_process import NodeProcess
from tests.e2e.commands import run
from tests.e2e.trip_files import row, write

pytestmark = pytest.mark.slow

EVERYWHERE = "0.0.0.0"  # noqa: S104 - that is what is tried


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority whose certificate stands in `ca.pem`."""
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    return authority


@pytest.fixture
def pair(tmp_path: Path, authority: Authority) -> Pair:
    """The certificate of a node on this machine."""
    return authority.certify(tmp_path, "node", *THIS_MACHINE)


def secured(pair: Pair) -> tuple[str | Path, ...]:
    return ("--tls-cert", pair.certificate, "--tls-key", pair.key)


def serial(line: Line) -> object:
    sock = line._sock  # noqa: SLF001 - it is made for load, which looks at no certificate
    assert isinstance(sock, ssl.SSLSocket)
    return (sock.getpeercert() or {})["serialNumber"]


async def test_a_node_with_a_certificate_may_be_reached_from_everywhere(
    tmp_path: Path, authority: Authority, pair: Pair
) -> None:
    node = NodeProcess.start(tmp_path / "node", listen=f"{EVERYWHERE}:0", options=secured(pair))
    assert node.url.startswith(f"wss://{EVERYWHERE}:")
    url = node.url.replace(EVERYWHERE, "127.0.0.1")
    with trio.fail_after(10), pytest.raises(LineBroken, match="key_unknown"):
        await open_line(url, "GATE-1", new_key(), authority.trusted())
    with trio.fail_after(10), pytest.raises((LineBroken, OSError)):
        await open_line(url.replace("wss", "ws"), "GATE-1", new_key())
    assert node.stop() == 0


async def test_a_certificate_is_renewed_under_a_node_at_work(
    tmp_path: Path, authority: Authority, pair: Pair
) -> None:
    node = NodeProcess.start(tmp_path / "node", dev=True, options=secured(pair))
    trusted, key = authority.trusted(), new_key()
    with trio.fail_after(20):
        line = await open_line(node.url, "GATE-1", key, trusted)
        shown = first = serial(line)
        line.close()
        renewed = authority.certify(tmp_path, "renewed", *THIS_MACHINE)
        shutil.move(renewed.certificate, pair.certificate)
        shutil.move(renewed.key, pair.key)
        while shown == first:
            await trio.sleep(0.2)
            line = await open_line(node.url, "GATE-1", key, trusted)
            shown = serial(line)
            line.close()
    node.stop()
    log = (tmp_path / "node.log").read_text()
    assert log.count("the certificate was renewed") == 1
    assert "Traceback" not in log


@pytest.mark.slow
def test_trips_are_replayed_over_tls(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    node = NodeProcess.start(tmp_path / "node", dev=True, options=secured(pair))
    file = write(tmp_path / "taps.csv", [row(f"T{n}", f"60{n}") for n in range(3)])
    arguments = ("replay", file, "--url", node.url)
    trusting = run(*arguments, "--ca", tmp_path / "ca.pem", home=tmp_path)
    assert trusting.returncode == 0, trusting.stderr
    untrusting = run(*arguments, home=tmp_path)
    assert untrusting.returncode == 1
    assert "its certificate is not trusted" in untrusting.stderr
    nonsense = run(*arguments, "--ca", pair.key, home=tmp_path)
    assert nonsense.returncode == 2
    assert "holds no certificate of an authority" in nonsense.stderr
    node.stop()


def test_what_makes_no_certificate_is_told_in_a_line(tmp_path: Path, pair: Pair) -> None:
    serve = ("serve", "--data", tmp_path / "node", "--listen", "127.0.0.1:0")
    gone = run(*serve, "--tls-cert", tmp_path / "gone.pem", "--tls-key", pair.key, "--json")
    assert gone.returncode == 1
    assert json.loads(gone.stdout)["error"].endswith("gone.pem: No such file or directory")
    assert not (tmp_path / "node").exists()
    for options in (secured(pair)[:2], secured(pair)[2:], ("--client-ca", tmp_path / "ca.pem")):
        half = run(*serve, *options)
        assert half.returncode == 2
        assert "give both --tls-cert and --tls-key" in half.stderr


def test_nobody_else_reaches_a_node_that_encrypts_nothing_or_lets_anybody_in(
    tmp_path: Path, pair: Pair
) -> None:
    serve = ("serve", "--data", tmp_path / "node", "--listen", f"{EVERYWHERE}:0")
    plain = run(*serve)
    assert plain.returncode == 2
    assert "without --tls-cert there is no encryption" in " ".join(plain.stderr.split())
    careless = run(*serve, *secured(pair), "--dev")
    assert careless.returncode == 2
    assert "--dev would let anybody in" in " ".join(careless.stderr.split())
