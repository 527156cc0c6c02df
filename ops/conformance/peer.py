"""A terminal of the kit: messages out and in, and how the node ends what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import msgpack
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.conformance.errors import RuleBroken, Silent, check, check_equal
from ops.conformance.frames import Frame, Opcode, close_payload, close_told, frame
from ops.conformance.limits import QUIET_S, TOLD_MAX
from ops.conformance.line import Line
from ops.conformance.notes import Notes
from ops.conformance.shape import SCHEMA, fault, fields_of
from protocol.messages import SUBPROTOCOL

Intent: TypeAlias = Sequence[Any]
Fields: TypeAlias = dict[str, Any]

CODES: Final[dict[str, Any]] = SCHEMA["x-codes"]
UNASKED: Final = frozenset({"command", "offer"})
"""What a node tells a terminal at any time, since somebody else did something."""


def packed(*message: object) -> bytes:
    """Return the payload of a message."""
    payload: bytes = msgpack.Packer().pack(message)
    return payload


def fields(definition: str, values: Sequence[Any]) -> Fields:
    """Return the fields of a message or record by their names, defaults filled in."""
    items = SCHEMA["$defs"][definition]["prefixItems"]
    named = [item for item in items if "title" in item]
    own = values[len(items) - len(named) :]
    told = {item["title"]: item["default"] for item in named if "default" in item}
    return {**told, **dict(zip(fields_of(definition), own, strict=False))}


class Peer:
    """One connection of a terminal.

    Args:
      line: the connection; its websocket is open.
      notes: takes what was exercised.

    Attributes:
      line: to send what is no message.
      terminal: its name, once `greet` was called.
      ready: what the node said to it.
      counter: the next one to use.
      last_close: code and reason of the node's close frame.
    """

    def __init__(self, line: Line, notes: Notes) -> None:
        self.line = line
        self.terminal = ""
        self.ready: Fields = {}
        self.counter = 1
        self.last_close: tuple[int, str] | None = None
        self._notes = notes
        self._parts: list[bytes] = []
        self._ids = 0

    # --- out ----------------------------------------------------------------------------------

    async def say(self, *message: object) -> None:
        """Send a message."""
        await self.say_all([message])

    async def say_all(self, messages: Iterable[Sequence[object]]) -> None:
        """Send messages, in one piece."""
        listed = [list(message) for message in messages]
        for message in listed:
            self._notes.message(message)
        await self.line.write(*(frame(packed(*message)) for message in listed))

    async def say_payload(self, payload: bytes) -> None:
        """Send bytes as a message."""
        await self.line.write(frame(payload))

    def take_counter(self) -> int:
        """Return the next counter, and count on."""
        self.counter += 1
        return self.counter - 1

    def numbered(self, intents: Iterable[Intent], at_ms: int = 0) -> list[list[Any]]:
        """Return transactions with counters of their own."""
        return [[self.take_counter(), at_ms, list(intent)] for intent in intents]

    # --- in -----------------------------------------------------------------------------------

    async def hear_any(self) -> list[Any]:
        """Wait for the next message; what is wrong with its shape breaks a rule.

        Raises:
          RuleBroken: it is no message, or the connection ends.
        """
        message = await self._next()
        if message is None:
            code, reason = self.last_close or (1006, "")
            raise RuleBroken(f"the connection ended: {code} {reason}".rstrip())
        return message

    async def hear(self, name: str) -> Fields:
        """Wait for a message of a name; what the node tells unasked is passed over.

        Raises:
          RuleBroken: another one comes, or the connection ends.
        """
        while True:
            message = await self.hear_any()
            if message[0] == name:
                return fields(f"message.{name}", message)
            check(message[0] in UNASKED, f"{told(message)} came, not {name}")

    async def hears_nothing(self, for_s: float = QUIET_S) -> None:
        """Wait for a while in which nothing must come.

        Raises:
          RuleBroken: something did.
        """
        message: list[Any] | None = None
        with trio.move_on_after(for_s) as scope:
            message = await self._next()
        check(scope.cancelled_caught, f"{told(message)} came, and ought not to")

    async def _next(self) -> list[Any] | None:
        while (found := await self.line.frame()) is not None:
            check(not found.masked, "a frame of the node is masked")
            check(not found.reserved, "a frame of the node has reserved bits")
            if found.opcode == Opcode.CLOSE:
                self.last_close = close_told(found.payload)
                self._notes.add("close", self.last_close[0])
                return None
            payload = self._whole(found)
            if payload is not None:
                return self._message(payload)
        return None

    def _whole(self, found: Frame) -> bytes | None:
        if found.opcode in (Opcode.PING, Opcode.PONG):
            raise RuleBroken("the node sends a ping or a pong that nobody asked for")
        check(found.opcode != Opcode.TEXT, "the node sends a text message")
        self._parts.append(found.payload)
        if not found.fin:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole

    def _message(self, payload: bytes) -> list[Any]:
        check(len(payload) <= SCHEMA["x-limits"]["frame_bytes_max"], "a message is too long")
        try:
            message = msgpack.unpackb(payload)
        except (ValueError, msgpack.UnpackException) as error:
            raise RuleBroken(f"the node sends no MessagePack value: {error}") from error
        wrong = fault(message, "from_node")
        check(not wrong, f"{told(message)} is not of the schema{wrong}")
        assert isinstance(message, list)
        self._notes.message(message)
        return message

    # --- how it ends --------------------------------------------------------------------------

    async def ends(self, code: str, field: str | None = None) -> None:
        """Wait until the node ends the connection with an `error` and a close frame.

        What it still says before is passed over.

        Raises:
          RuleBroken: it does not, or with another code, field or close code.
        """
        error: Fields | None = None
        while (message := await self._next()) is not None:
            check(error is None, f"{told(message)} came after the error")
            if message[0] == "error":
                error = fields("message.error", message)
        wanted = f"no error {code} was said before the end ({self.last_close})"
        if error is None:
            raise RuleBroken(wanted)
        check_equal("the code", error["code"], code)
        if field is not None:
            check_equal("the field", error["field"], field)
        limit = SCHEMA["x-limits"]["error_text_length_max"]
        check(len(error["text"]) <= limit, "the text of the error is too long")
        await self._closed_with(code)

    async def ends_unspoken(self, code: str) -> None:
        """Wait until the node ends the connection with a close frame alone.

        Raises:
          RuleBroken: it does not, or with another code.
        """
        while (message := await self._next()) is not None:
            check(message[0] != "error", f"{told(message)} was said before the close frame")
        await self._closed_with(code)
        self._notes.add("code", code)

    async def ends_closed(self, code: str) -> None:
        """Wait for the close frame behind an error; nothing may come between.

        Raises:
          RuleBroken: something does, or it has another code.
        """
        message = await self._next()
        check(message is None, f"{told(message)} came after the error")
        await self._closed_with(code)

    async def _closed_with(self, code: str) -> None:
        check(self.last_close is not None, "no close frame came")
        number, reason = self.last_close or (0, "")
        check_equal("the close code", number, CODES[code]["close"])
        check(reason.startswith(code), f"the reason of the close frame is {reason!r}, not {code}")
        await self.line.write(frame(close_payload(number), Opcode.CLOSE))
        await self.is_over()

    async def is_over(self) -> None:
        """Wait for the end of the connection; nothing may come before it.

        Raises:
          RuleBroken: something does, or it does not end.
        """
        found = await self.line.frame()
        check(found is None, f"a frame came after the close frame: {found}")

    # --- conversations ------------------------------------------------------------------------

    async def greet(
        self,
        terminal: str,
        key: Ed25519PrivateKey,
        *,
        versions: Sequence[int] = (1,),
        more: Sequence[object] = (),
    ) -> Fields:
        """Do the handshake; return `ready`.

        Raises:
          RuleBroken: the node does not let the terminal in.
        """
        self.terminal = terminal
        public = key.public_key().public_bytes_raw()
        await self.say("hello", list(versions), terminal, public, *more)
        challenge = await self.hear("challenge")
        await self.say("prove", key.sign(proof_text(challenge["nonce"], public, terminal)))
        self.ready = await self.hear("ready")
        self.counter = self.ready["last_counter"] + 1
        return self.ready

    async def submit(self, *intents: Intent) -> list[Fields]:
        """Submit intents; return their outcomes in the same order."""
        return await self.submit_all(self.numbered(intents))

    async def submit_all(self, transactions: Sequence[Sequence[Any]]) -> list[Fields]:
        """Submit transactions as they are; return their outcomes, in the order of the first."""
        await self.say("submit", [list(transaction) for transaction in transactions])
        found = await self.outcomes(len(transactions))
        order = {transaction[0]: at for at, transaction in reversed([*enumerate(transactions)])}
        return sorted(found, key=lambda outcome: order.get(outcome["counter"], -1))

    async def outcomes(self, count: int) -> list[Fields]:
        """Wait for so many outcomes; as many credits have to come with them."""
        found: list[Fields] = []
        while len(found) < count:
            message = await self.hear("outcome")
            listed = [fields("record.outcome", outcome) for outcome in message["outcomes"]]
            check_equal("credits of an outcome message", message["credits"], len(listed))
            found += listed
        check_equal("outcomes", len(found), count)
        return found

    async def posted(self, *intents: Intent) -> list[Fields]:
        """Submit intents, all of which have to be posted."""
        found = await self.submit(*intents)
        for intent, outcome in zip(intents, found, strict=True):
            check_equal(f"the result of {told(intent)}", _verdict(outcome), "posted")
        return found

    async def ask(self, *question: object) -> tuple[str, Fields]:
        """Ask; return name and fields of the answer. A busy node is asked again."""
        while True:
            self._ids += 1
            await self.say("query", self._ids, list(question))
            answer = await self.hear("answer")
            check_equal("the id of the answer", answer["id"], self._ids)
            name = answer["answer"][0]
            found = fields(f"answer.{name}", answer["answer"])
            if name != "failed" or not found["retry_after_ms"]:
                return name, found
            await trio.sleep(found["retry_after_ms"] / 1000)

    async def answer(self, *question: object) -> Fields:
        """Ask what has to be answered."""
        name, found = await self.ask(*question)
        check_equal(f"the answer to {told(question)}", name, question[0])
        return found

    async def fails(self, code: str, *question: object) -> Fields:
        """Ask what has to fail with a code."""
        name, found = await self.ask(*question)
        check_equal(f"the answer to {told(question)}", (name, found.get("code")), ("failed", code))
        return found

    async def order(self, order_id: str, *action: object) -> Fields:
        """Order something; return the receipt."""
        await self.say("order", order_id, list(action))
        receipt = await self.hear("receipt")
        check_equal("the id of the receipt", receipt["id"], order_id)
        return receipt


def _verdict(outcome: Fields) -> str:
    return " ".join(part for part in (outcome["result"], outcome["reason"]) if part)


def proof_text(nonce: bytes, public_key: bytes, terminal: str) -> bytes:
    """Return what is signed."""
    return SUBPROTOCOL.encode() + b"\0" + nonce + public_key + terminal.encode()


def told(message: object) -> str:
    """Return a message in words, cut where it is long."""
    return repr(message)[:TOLD_MAX]


@contextmanager
def about(what: str) -> Iterator[None]:
    """Add what was being tried to what is told of a broken rule."""
    try:
        yield
    except Silent as silent:
        raise Silent(f"{what}: {silent}") from silent
    except RuleBroken as broken:
        raise RuleBroken(f"{what}: {broken}") from broken
