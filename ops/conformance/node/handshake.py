"""Section 3: who a terminal is, and how it proves that."""

from __future__ import annotations

from typing import Final

import trio

from ops.conformance.errors import check, check_equal
from ops.conformance.frames import frame
from ops.conformance.keys import EXPIRED, OTHER, REVOKED, TERMINAL, Identity
from ops.conformance.kit import Kit
from ops.conformance.limits import LATE_S
from ops.conformance.peer import Fields, Peer, about, proof_text
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA
from terminals.keys import new_key, public_bytes

SECTION: Final[Section[Kit]] = Section(3, "Handshake")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
NONCE_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
SMALL_ORDER: Final = (
    bytes(32),
    b"\x01" + bytes(31),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    # The same in other encodings: with the sign of a zero, and not reduced.
    b"\x01" + bytes(30) + b"\x80",
    b"\xee" + b"\xff" * 30 + b"\x7f",
)
"""Points whose eightfold is the neutral element, as they may be written."""


async def challenged(peer: Peer, identity: Identity, *, name: str = "") -> Fields:
    """Say hello; return the challenge."""
    await peer.say("hello", [1], name or identity.name, public_bytes(identity.key))
    return await peer.hear("challenge")


async def hello_ends(kit: Kit, code: str, field: str, *fields: object) -> None:
    """Check that a hello ends the connection."""
    async with kit.stranger() as peer:
        with about(repr(fields)[:60]):
            await peer.say("hello", *fields)
            await peer.ends(code, field)


@SECTION.rule("The node chooses a version and sends `challenge` with a `nonce` of 32 bytes")
async def _hello_is_answered_with_a_challenge(kit: Kit) -> None:
    async with kit.stranger() as peer:
        challenge = await challenged(peer, kit.keys.of(TERMINAL))
        check_equal("the version", challenge["version"], 1)
        check_equal("bytes of the nonce", len(challenge["nonce"]), NONCE_BYTES)
        check(challenge["server_time_ms"] > 0, "the node tells no time")


@SECTION.rule("that is never used again.")
async def _each_connection_has_a_nonce_of_its_own(kit: Kit) -> None:
    found = []
    for _ in range(5):
        async with kit.stranger() as peer:
            found.append((await challenged(peer, kit.keys.of(TERMINAL)))["nonce"])
    check_equal("different nonces of five", len(set(found)), 5)


@SECTION.rule(
    "`ready` tells those that a client must know; they may differ there.",
    limits=("transactions_per_frame_max", "credits", "heartbeat_s", "frame_bytes_max"),
)
async def _ready_tells_limits_and_capabilities(kit: Kit) -> None:
    async with kit.session() as peer:
        for limit in SCHEMA["x-told-by-ready"]:
            check(peer.ready[limit] > 0, f"{limit} is {peer.ready[limit]}")
        for capability in ("submit", "query", "dry_run"):
            check(capability in peer.ready["capabilities"], f"{capability} is not told")


@SECTION.rule("the highest counter seen of this terminal, 0 for none; lower ones may be missing")
async def _ready_tells_the_highest_counter(kit: Kit) -> None:
    async with kit.session() as peer:
        counter = peer.take_counter() + 7
        await peer.submit_all([[counter, 0, ["tap", "C", 0, "o", "in"]]])
    async with kit.session() as peer:
        check_equal("last_counter", peer.ready["last_counter"], counter)


@SECTION.rule("the versions it speaks", limits=("versions_max",))
async def _one_of_several_versions_is_chosen(kit: Kit) -> None:
    identity = kit.keys.of(TERMINAL)
    for versions in ([1, 2, 77], [-5, 0, 1], [9] * (LIMITS["versions_max"] - 1) + [1]):
        async with kit.stranger() as peer:
            await peer.greet(*identity, versions=versions)
    await hello_ends(kit, "version_unsupported", "hello.versions", [2, 3], "T", bytes(32))
    await hello_ends(kit, "field_invalid", "hello.versions", [], "T", bytes(32))
    too_many = [1] * (LIMITS["versions_max"] + 1)
    await hello_ends(kit, "field_invalid", "hello.versions", too_many, "T", bytes(32))


@SECTION.rule(
    "what it runs: name and version of its firmware",
    limits=("short_text_length_max", "capabilities_max"),
)
async def _software_and_capabilities_are_passed_over(kit: Kit) -> None:
    short, many = LIMITS["short_text_length_max"], LIMITS["capabilities_max"]
    async with kit.stranger() as peer:
        more = ["\U0001f68c" * short, ["\U0001f68c" * short] * many]
        await peer.greet(*kit.keys.of(TERMINAL), more=more)
    begin: list[object] = [[1], "T", bytes(32)]
    await hello_ends(kit, "field_invalid", "hello.software", *begin, "x" * (short + 1))
    await hello_ends(kit, "field_invalid", "hello.capabilities", *begin, "", [""] * (many + 1))
    field = "hello.capabilities[0]"
    await hello_ends(kit, "field_invalid", field, *begin, "", ["x" * (short + 1)])


@SECTION.rule("A terminal's name is printable ASCII without blanks, `/` and `*`.")
async def _a_name_that_is_none_is_told(kit: Kit) -> None:
    for name in ("GATE 1", "GATE/1", "*", "GATE*", "gerbang\n", "Gerbang-é", "\x7f"):
        await hello_ends(kit, "field_invalid", "hello.terminal", [1], name, bytes(32))
    for name in ("", "x" * (LIMITS["name_length_max"] + 1)):
        await hello_ends(kit, "field_invalid", "hello.terminal", [1], name, bytes(32))


@SECTION.rule("bytes of one message before `ready`", limits=("handshake_bytes_max",))
async def _a_long_message_before_ready_is_too_big(kit: Kit) -> None:
    room = LIMITS["handshake_bytes_max"]
    for size, code in ((room, "payload_invalid"), (room + 1, "message_too_big")):
        async with kit.stranger() as peer:
            with about(f"{size} bytes"):
                await peer.line.write(frame(b"\xc1" * size))
                ending = peer.ends if size == room else peer.ends_unspoken
                await ending(code)


@SECTION.rule("not at this point of the session")
async def _messages_out_of_turn_are_told(kit: Kit) -> None:
    identity = kit.keys.of(TERMINAL)
    hello: list[object] = ["hello", [1], identity.name, public_bytes(identity.key)]
    prove: list[object] = ["prove", bytes(SIGNATURE_BYTES)]
    early: list[object] = ["heartbeat", 1]
    for said in ([prove], [early], [hello, hello], [hello, early]):
        async with kit.stranger() as peer:
            with about(f"{said[-1][0]} as number {len(said)}"):
                await peer.say_all(said)
                await peer.ends("message_unexpected", str(said[-1][0]))
    for late in (hello, prove):
        async with kit.session() as peer:
            await peer.say(*late)
            await peer.ends("message_unexpected", str(late[0]))


@SECTION.rule("the signature is not that of the proof text")
async def _a_signature_of_something_else_proves_nothing(kit: Kit) -> None:
    identity = kit.keys.of(TERMINAL)
    public = public_bytes(identity.key)
    async with kit.stranger() as peer:
        foreign = (await challenged(peer, identity))["nonce"]
    for signed in ("nothing", "another nonce", "another key", "another name", "another protocol"):
        async with kit.stranger() as peer:
            with about(signed):
                nonce = (await challenged(peer, identity))["nonce"]
                texts = {
                    "nothing": b"",
                    "another nonce": proof_text(foreign, public, identity.name),
                    "another key": proof_text(nonce, bytes(NONCE_BYTES), identity.name),
                    "another name": proof_text(nonce, public, kit.keys.of(OTHER).name),
                    "another protocol": proof_text(nonce, public, identity.name)[1:],
                }
                await peer.say("prove", identity.key.sign(texts[signed]))
                await peer.ends("proof_invalid", "prove.signature")


@SECTION.rule("the key is not enrolled for this terminal, or no more")
async def _a_key_that_is_not_enrolled_is_unknown(kit: Kit) -> None:
    known, other = kit.keys.of(TERMINAL), kit.keys.of(OTHER)
    for identity in (Identity(known.name, new_key()), Identity(other.name, known.key)):
        async with kit.stranger() as peer:
            nonce = (await challenged(peer, identity))["nonce"]
            text = proof_text(nonce, public_bytes(identity.key), identity.name)
            await peer.say("prove", identity.key.sign(text))
            await peer.ends("key_unknown", "hello.public_key")


@SECTION.rule("Only who holds a key learns whether it is enrolled.")
async def _whether_a_key_is_enrolled_is_told_to_nobody_else(kit: Kit) -> None:
    for identity in (kit.keys.of(TERMINAL), Identity(kit.name("NOBODY"), new_key())):
        async with kit.stranger() as peer:
            await challenged(peer, identity)
            await peer.say("prove", new_key().sign(b"guessed"))
            await peer.ends("proof_invalid", "prove.signature")


async def turned_away(kit: Kit, name: str, code: str) -> None:
    """Check that a key that may do nothing any more is told so."""
    identity = kit.keys.of(name)
    async with kit.stranger() as peer:
        nonce = (await challenged(peer, identity))["nonce"]
        text = proof_text(nonce, public_bytes(identity.key), identity.name)
        await peer.say("prove", identity.key.sign(text))
        await peer.ends(code, "hello.public_key")


@SECTION.rule("the key was revoked, before or during the session")
async def _a_revoked_key_is_told_so(kit: Kit) -> None:
    await turned_away(kit, REVOKED, "key_revoked")


@SECTION.rule("the key has expired, before or during the session")
async def _an_expired_key_is_told_so(kit: Kit) -> None:
    await turned_away(kit, EXPIRED, "key_expired")


@SECTION.rule("or the key is of small order, which proves nothing")
async def _a_key_of_small_order_proves_nothing(kit: Kit) -> None:
    for key in SMALL_ORDER:
        async with kit.stranger() as peer:
            with about(key.hex()):
                await peer.say("hello", [1], kit.keys.of(TERMINAL).name, key)
                await peer.hear("challenge")
                # What such a key signs: the same for every text.
                await peer.say("prove", b"\x01" + bytes(SIGNATURE_BYTES - 1))
                await peer.ends("proof_invalid")


@SECTION.rule(
    "has to be done within `handshake_s` of the connection.",
    limits=("handshake_s",),
    slow=True,
)
async def _a_handshake_that_takes_long_is_ended(kit: Kit) -> None:
    began_s = trio.current_time()
    async with kit.stranger() as peer:
        await challenged(peer, kit.keys.of(TERMINAL))
        await trio.sleep(LIMITS["handshake_s"] - LATE_S)
        await peer.ends("handshake_timeout")
    late_s = trio.current_time() - began_s - LIMITS["handshake_s"]
    check(-0.5 <= late_s <= LATE_S, f"it was ended {late_s:.1f} s after its time")  # noqa: PLR2004
