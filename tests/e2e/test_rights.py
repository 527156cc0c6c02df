"""The matrix of rights on a real node: what the document promises is refused on the wire.

What is expected comes from docs/protocol.md, and the refusals from a node in a process of its own
with a key of each role in its store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.frames import Frame, Opcode

from bench.line import Line, LineBroken, open_line
from engine.keys import Role
from ops.node_process import NodeProcess
from protocol.messages import Answer, Error, Failed, Heartbeat
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import new_key, public_bytes
from tests.protocol.matrix import ROLES, Sample, label, samples, told

KEY: Final = new_key()
TERMINAL: Final = "DESK-1"
"""Each role has a terminal of its own; the names begin with this one."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that knows one terminal of each role, and nobody else."""
    data = tmp_path_factory.mktemp("rights") / "node"
    with (
        DataFolder.open(data, create=True) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        for role in ROLES:
            KeyStore(store).enroll(name_of(role), public_bytes(KEY), role=role, at_ms=1)
    process = NodeProcess.start(data)
    yield process
    process.kill()


def name_of(role: Role) -> str:
    return f"{TERMINAL}-{role}"


async def reply(line: Line, *payloads: bytes) -> str:
    """Send messages, and return the code of the first reply, or the close frame."""
    for payload in payloads:
        await line.send(Frame(Opcode.BINARY, payload).serialize(mask=True))
    return await heard(line)


async def heard(line: Line) -> str:
    """Return the code of what the node says next, or its close frame."""
    try:
        while not (messages := await line.messages()):
            pass
    except LineBroken as broken:
        return str(broken)
    (first, *_) = messages
    body = first.answer if isinstance(first, Answer) else first
    return body.code if isinstance(body, Error | Failed) else "taken"


async def refused(url: str, role: Role, sample: Sample, key: Ed25519PrivateKey) -> bool:
    line = await open_line(url, name_of(role), key)
    try:
        # Counters go up, so that nothing is taken for a repeat of something else. What is taken
        # may need no reply, but a heartbeat always has one, and everybody may send it.
        beat = msgspec.msgpack.encode(Heartbeat(1))
        return "not_allowed" in await reply(line, sample.payload(line.counter + 1), beat)
    finally:
        line.close()


@pytest.mark.parametrize("role", ROLES)
async def test_a_node_refuses_what_the_document_says_and_nothing_else(
    node: NodeProcess, role: Role
) -> None:
    matrix = told()
    column = ROLES.index(role)
    tried = [*samples(name_of(role))]
    expected = {repr(s.what): not s.expected(matrix[label(type(s.what))][column]) for s in tried}
    with trio.fail_after(60):
        found = {}
        for sample in tried:
            found[repr(sample.what)] = await refused(node.url, role, sample, KEY)
    assert found == expected
    assert len(set(found.values())) == 2, "every role is refused something, and something not"


async def test_a_refused_submit_ends_the_session_and_a_refused_question_does_not(
    node: NodeProcess,
) -> None:
    by_label = {label(type(sample.what)): sample for sample in samples(name_of("observer"))}
    with trio.fail_after(20):
        line = await open_line(node.url, name_of("observer"), KEY)
        assert await reply(line, by_label["ask `dry_run`"].payload()) == "not_allowed"
        assert await reply(line, by_label["ask `transaction`"].payload()) == "not_allowed"
        assert await reply(line, by_label["send `heartbeat`"].payload()) == "taken"
        said = await reply(line, by_label["submit `tap`"].payload())
        while not said.startswith("closed"):
            said = await heard(line)
        assert said == f"closed: {(1008).to_bytes(2, 'big') + b'not_allowed'!r}"
        line.close()
