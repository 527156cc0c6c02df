"""Defects to plant in a node, and the rules that each of them breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partialmethod
from typing import Final, NamedTuple, TypeAlias

import pytest
from websockets.server import ServerProtocol

from actors.fleet.command_desk import CommandDesk
from actors.shard import Sender, Shard
from engine.keys import Role
from engine.transaction import Intent, Transaction
from protocol import errors, limits, rights
from protocol.codec import encode
from protocol.errors import Code
from protocol.messages import Action, FromTerminal, Outcome, Outcomes, Pulse, Question
from protocol.session import Bounds, ServerSession, Wanted
from storage.fleet.order_store import OrderStore

Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def wrong_close_code(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(errors.CLOSE_CODES, Code.TEXT_FRAME, 1002)


def another_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits, "FRAMES_PER_MESSAGE_MAX", 300)


def web_pages_are_let_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerProtocol, "process_origin", lambda _self, _headers: None)


def signatures_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    class AnyKey:
        @staticmethod
        def from_public_bytes(_key: bytes) -> AnyKey:
            return AnyKey()

        def verify(self, _signature: bytes, _text: bytes) -> None:
            return

    patch.setattr("protocol.session.Ed25519PublicKey", AnyKey)


def a_credit_is_lost(patch: pytest.MonkeyPatch) -> None:
    def answer(self: ServerSession, outcomes: Sequence[Outcome]) -> bytes:
        self.credits += len(outcomes)
        return encode(Outcomes(tuple(outcomes), len(outcomes) - 1))

    patch.setattr(ServerSession, "answer", answer)


def credits_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    receive = ServerSession.receive

    def received(self: ServerSession, payload: bytes, at_ms: int) -> Wanted | None:
        self.credits = 2_000
        return receive(self, payload, at_ms)

    def answer(_self: ServerSession, outcomes: Sequence[Outcome]) -> bytes:
        return encode(Outcomes(tuple(outcomes), len(outcomes)))

    patch.setattr(ServerSession, "receive", received)
    patch.setattr(ServerSession, "answer", answer)


def other_content_is_the_same(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("actors.shard.difference", lambda _entry, _transaction: "")


def a_conflict_names_another_field(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "actors.shard.difference", lambda entry, sent: "intent" * (entry.at_ms != sent.at_ms)
    )


def a_copy_is_posted_again(patch: pytest.MonkeyPatch) -> None:
    submit, known = Shard.submit, dict[Sender, int]()

    def by_connection(
        self: Shard, sender: Sender, terminal: str, transactions: Sequence[Transaction]
    ) -> list[Outcome]:
        number = known.setdefault(sender, len(known))
        return submit(self, sender, f"{terminal}-{number}", transactions)

    patch.setattr(Shard, "submit", by_connection)


def everybody_may_submit_everything(patch: pytest.MonkeyPatch) -> None:
    def may(role: Role, terminal: str, what: FromTerminal | Intent | Question | Action) -> bool:
        return isinstance(what, Intent) or rights.may(role, terminal, what)

    patch.setattr("protocol.session.may", may)


def keys_go_on_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerSession, "check_key", lambda _self, _found, _now_ms: None)


def the_clock_of_a_pulse_is_another(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("protocol.session.Pulse", lambda _at_ms, now_ms: Pulse(now_ms, now_ms))


def lists_come_whole(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("actors.fleet.list_desk.ListDesk._base", lambda _self, _head, _held: 0)


def commands_are_told_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CommandDesk, "tell_all", lambda _self, _link, _now_ms: None)


def questions_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    begun = partialmethod(ServerSession.__init__, bounds=Bounds(queries_open_max=10_000))
    patch.setattr(ServerSession, "__init__", begun)


def orders_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits, "ORDERS_OPEN_MAX", 10_000)


def orders_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderStore, "find", lambda _self, _officer, _order_id: None)


def observers_see_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("actors.feed.redact", lambda entry, _pseudonym: entry)


class Mutant(NamedTuple):
    """A defect, the section in which it shows, and the rules that it breaks."""

    plant: Plant
    section: str
    breaks: frozenset[str]


MUTANTS: Final = [
    Mutant(plant, section, frozenset(breaks))
    for plant, section, *breaks in (
        (wrong_close_code, "10.", "a text message is told"),
        (another_limit, "10.", "fragments without end are told"),
        (web_pages_are_let_in, "1.", "a web page is 403"),
        (
            signatures_are_not_looked_at,
            "3.",
            "a signature of something else proves nothing",
            "whether a key is enrolled is told to nobody else",
        ),
        (credits_are_not_counted, "8.", "more transactions than credits are too many"),
        (questions_are_not_counted, "8.", "more questions than may be open are too many"),
        (orders_are_not_counted, "17.", "more orders than may be open are too many"),
        (
            other_content_is_the_same,
            "7.",
            "other content is a conflict and names the field",
            "a conflict with what is under way has no position",
        ),
        (
            a_conflict_names_another_field,
            "7.",
            "other content is a conflict and names the field",
            "a conflict with what is under way has no position",
        ),
        (a_copy_is_posted_again, "8.", "sent again the first outcome comes back"),
        (
            everybody_may_submit_everything,
            "13.",
            "an intent of another role is not allowed",
            "a terminal moves what happens before it",
        ),
        (
            keys_go_on_for_ever,
            "13.",
            "a session ends when its key is revoked",
            "a session ends when its key expires",
        ),
        (
            the_clock_of_a_pulse_is_another,
            "4.",
            "a heartbeat is answered with a pulse",
            "nothing is said behind the error",
        ),
        (
            lists_come_whole,
            "15.",
            "a new version is offered as a change",
            "several versions behind is one change",
            "a mismatch is answered with the whole list once",
        ),
        (commands_are_told_once, "16.", "a command is told until it is done"),
        (
            observers_see_everything,
            "20.",
            "an observer sees no card",
        ),
        (
            orders_are_forgotten,
            "17.",
            "an order is done once",
            "another order under the same id is a conflict",
        ),
    )
]
