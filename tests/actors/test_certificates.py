"""When a new certificate is taken up, and when the one before it stays."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Hashable

import pytest
import trio
import trio.testing

from actors import limits
from actors.certificates import Certificates
from actors.errors import CertificateUnusable
from tests.actors.secured import Secured
from tests.actors.test_committer import a_life
from tests.actors.world import on_the_spot

STAYS = "the certificate stays the one before: planted"
RENEWED = "the certificate was renewed, new connections are shown it"


class Files:
    """Files that change as a test says."""

    def __init__(self) -> None:
        self.written = 0
        self.usable = True
        self.loaded = 0
        self.slow = False

    def stamp(self) -> Hashable:
        return self.written

    def load(self) -> ssl.SSLContext:
        self.loaded += 1
        if self.slow:
            self.written += 1
        if not self.usable:
            raise CertificateUnusable("planted")
        return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class Desk:
    """Certificates of such files, and what the operator was told."""

    def __init__(self) -> None:
        self.files = Files()
        self.notes: list[str] = []
        self.certificates = Certificates(self.files, offload=on_the_spot, note=self.notes.append)

    async def look(self, times: int = 1) -> list[str]:
        """Look so many times; return what was told meanwhile."""
        for _ in range(times):
            await self.certificates.look()
        told, self.notes[:] = list(self.notes), []
        return told


async def test_files_that_do_not_change_are_not_read_again() -> None:
    desk = Desk()
    assert await desk.look(5) == []
    assert desk.files.loaded == 1


async def test_a_change_is_taken_up_once_it_stands_still() -> None:
    desk = Desk()
    for _ in range(3):
        desk.files.written += 1
        assert await desk.look() == [], "perhaps only half of it is written"
    assert desk.files.loaded == 1
    assert await desk.look() == [RENEWED]
    assert await desk.look(3) == []
    assert desk.files.loaded == 2


async def test_what_cannot_be_used_is_told_once_and_tried_again_when_it_changes() -> None:
    desk = Desk()
    desk.files.usable = False
    desk.files.written += 1
    assert await desk.look(10) == [STAYS]
    desk.files.written += 1
    assert await desk.look(10) == [STAYS]
    desk.files.usable = True
    desk.files.written += 1
    assert await desk.look(10) == [RENEWED]


async def test_what_is_written_while_it_is_read_is_read_again() -> None:
    desk = Desk()
    desk.files.written += 1
    desk.files.slow = True
    assert await desk.look(2) == [RENEWED]
    desk.files.slow = False
    assert await desk.look(3) == [RENEWED]
    assert desk.files.loaded == 3


def test_what_changes_while_the_first_is_read_is_seen() -> None:
    class Rewritten(Files):
        def load(self) -> ssl.SSLContext:
            self.written += 1
            return super().load()

    files = Rewritten()
    notes: list[str] = []
    certificates = Certificates(files, offload=on_the_spot, note=notes.append)
    trio.run(certificates.look)
    trio.run(certificates.look)
    assert notes == [RENEWED]


def test_a_node_without_a_certificate_to_begin_with_does_not_start() -> None:
    files = Files()
    files.usable = False
    with pytest.raises(CertificateUnusable, match="planted"):
        Certificates(files, offload=on_the_spot, note=pytest.fail)


async def test_the_files_are_looked_at_until_the_node_stops(
    autojump_clock: trio.testing.MockClock,
) -> None:
    desk = Desk()
    child = desk.certificates.as_child()
    life = a_life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child.start, life)
        desk.files.written += 1
        await trio.sleep(2.5 * limits.CERTIFICATE_LOOK_S)
        assert desk.notes == [RENEWED]
        life.stopping.set()


async def test_a_certificate_whose_key_comes_later_waits_for_it(secured: Secured) -> None:
    notes: list[str] = []
    certificates = Certificates(secured.files, offload=on_the_spot, note=notes.append)
    other = secured.certify("other")
    shutil.copy(other.certificate, secured.pair.certificate)
    await certificates.look()
    shutil.copy(other.key, secured.pair.key)
    await certificates.look()
    assert notes == [], "the first of two files was written, and then the second"
    await certificates.look()
    assert notes == [RENEWED]


async def test_a_certificate_without_its_key_is_told(secured: Secured) -> None:
    notes: list[str] = []
    certificates = Certificates(secured.files, offload=on_the_spot, note=notes.append)
    other = secured.certify("other")
    shutil.copy(other.certificate, secured.pair.certificate)
    for _ in range(5):
        await certificates.look()
    (note,) = notes
    assert note.endswith("node.key is not the key of " + str(secured.pair.certificate))
    shutil.copy(other.key, secured.pair.key)
    for _ in range(5):
        await certificates.look()
    assert notes[1:] == [RENEWED]
