"""The matrix of rights as tests try it: messages of each kind, and what to expect of each role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, get_args

import msgspec
from msgspec import Struct

from engine.fleet.commands import SetLane
from engine.fleet.terminals import Selection
from engine.keys import Role
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Grant,
    Group,
    Hold,
    Identify,
    Intent,
    Issue,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Transaction,
    Unblock,
    Void,
    Withdrawal,
)
from protocol.messages import (
    Action,
    BalanceOf,
    ChipOf,
    CommandOf,
    CommandsOf,
    CommandTerminals,
    DryRun,
    Explain,
    Fetch,
    FromTerminal,
    Heartbeat,
    Hello,
    Holds,
    JournalOf,
    JournalPart,
    ListApprove,
    ListPart,
    ListPublish,
    ListsOf,
    ListWithdraw,
    Order,
    Prove,
    Query,
    Question,
    Register,
    Report,
    ShiftOf,
    StatementOf,
    Submit,
    Subscribe,
    TerminalsOf,
    TransactionOf,
    TreeOf,
    Unsubscribe,
)
from protocol.rights import Right
from tests.protocol import document

ROLES: Final[tuple[Role, ...]] = get_args(Role)
KINDS: Final[tuple[type[Struct], ...]] = (
    *get_args(FromTerminal),
    *get_args(Intent),
    *get_args(Question),
    *get_args(Action),
)
"""All that can be sent, submitted, asked and ordered: what is new here needs rows and samples."""


class Sample(NamedTuple):
    """Something to send, and the rights whose condition it meets."""

    what: FromTerminal | Intent | Question | Action
    meets: frozenset[Right] = frozenset()

    def payload(self, counter: int = 1) -> bytes:
        """Return the payload of a message that holds it."""
        if isinstance(self.what, Intent):
            return msgspec.msgpack.encode(Submit((Transaction(counter, 1, self.what),)))
        if isinstance(self.what, Question):
            return msgspec.msgpack.encode(Query(1, self.what))
        if isinstance(self.what, Action):
            return msgspec.msgpack.encode(Order("1", self.what))
        return msgspec.msgpack.encode(self.what)

    def expected(self, right: str) -> bool:
        """Tell whether who has this right for this kind may send it."""
        return right in {Right.YES, Right.REDACTED} or right in self.meets


def samples(terminal: str) -> Iterator[Sample]:
    """Yield what a terminal of this name may try."""
    yield Sample(Hello((1,), terminal, bytes(32)))
    yield Sample(Prove(bytes(64)))
    yield Sample(Heartbeat(1))
    yield Sample(Subscribe(1, 0))
    yield Sample(Unsubscribe(1))
    yield Sample(Holds(()))
    yield Sample(Fetch("deny", 1, 0, 0))
    yield Sample(Report("ani/1", "done"))
    yield Sample(JournalPart("ani/1", 0, ()))
    yield from _orders(terminal)
    yield from _intents(terminal)
    yield from _questions(terminal)


def _intents(terminal: str) -> Iterator[Sample]:
    tap = Tap("C", 1, "mrtj", "in")
    yield Sample(tap)
    yield Sample(Purchase("C", 1, "warung"))
    yield Sample(TopUp("C", 1, "dki"), frozenset({Right.MAIN_PURSE}))
    yield Sample(TopUp("C", 1, purse="kjp"))
    yield Sample(Group((tap, Share("mrtj", "lrt", 1))), frozenset({Right.FARES}))
    yield Sample(Group((tap, Share("lrt", "mrtj", 1))))
    yield Sample(Group((tap, TopUp("C", 1, purse="kjp"))))
    yield Sample(Subsidy("kjp", "mrtj", 1))
    yield Sample(Share("mrtj", "lrt", 1))
    yield Sample(Hold("C", 1, "operator", "mrtj", 1))
    yield Sample(Post("C", "T", 1, 1))
    yield Sample(Void("C", "T", 1))
    yield Sample(Withdrawal("C", 1, "dki"))
    for name, meets in ((terminal, frozenset({Right.OWN})), (f"not-{terminal}", frozenset())):
        yield Sample(Reversal(name, 1), meets)
        yield Sample(Refund(name, 1, 1), meets)
    yield Sample(Issue("C", "account", "dki"))
    yield Sample(Block("C", "lost"))
    yield Sample(Unblock("C", "found"))
    yield Sample(Replace("C", "D"))
    yield Sample(Close("C"))
    yield Sample(Identify("C", "p"))
    yield Sample(Grant("C", "free_ride", "elderly", "p", 1, 2))
    yield Sample(Revoke("C", "free_ride", "sold"))
    yield Sample(Adjustment("ani", "cash", ((3, "mrtj", 1), (10, "account", -1))))


def _questions(terminal: str) -> Iterator[Sample]:
    for kind, owner in ((1, "C"), (2, "C/kjp"), (1, "*"), (2, "*"), (3, "mrtj"), (9, "dki")):
        of_card = kind in {1, 2} and owner != "*"
        meets = frozenset({Right.PURSES if of_card else Right.SUMS})
        yield Sample(BalanceOf(kind, owner), meets)
        yield Sample(StatementOf(kind, owner), meets)
    yield Sample(TerminalsOf())
    yield Sample(TreeOf())
    yield Sample(ListsOf())
    yield Sample(CommandsOf())
    yield Sample(CommandOf("ani/1"))
    yield Sample(JournalOf("ani/1", terminal))
    yield Sample(TransactionOf(terminal, 1), frozenset({Right.OWN}))
    yield Sample(TransactionOf(f"not-{terminal}", 1))
    yield Sample(Explain(terminal, 1), frozenset({Right.OWN}))
    yield Sample(Explain(f"not-{terminal}", 1))
    yield Sample(DryRun(Transaction(1, 1, Tap("C", 1, "mrtj", "in"))), frozenset({Right.TRIAL}))
    yield Sample(DryRun(Transaction(1, 1, Issue("C", "account", "dki"))))
    yield Sample(ChipOf("C"))
    yield Sample(ShiftOf(terminal, 1, 2, 0, 0), frozenset({Right.OWN}))
    yield Sample(ShiftOf(f"not-{terminal}", 1, 2, 0, 0))


def _orders(terminal: str) -> Iterator[Sample]:
    yield Sample(ListPart("d", "deny", 0, (("C", "lost"),)))
    yield Sample(ListPublish("d", "deny", 1, 0))
    yield Sample(ListApprove("d"))
    yield Sample(ListWithdraw("d"))
    yield Sample(CommandTerminals(Selection((terminal,)), SetLane("open"), 1))
    yield Sample(Register(terminal, "gate"))


def label(kind: type[Struct]) -> str:
    """Return how a kind is called in the document."""
    verbs = {Question: "ask", Intent: "submit", Action: "order", FromTerminal: "send"}
    verb = next(verb for union, verb in verbs.items() if kind in get_args(union))
    return f"{verb} `{kind.__struct_config__.tag}`"


def told() -> dict[str, list[str]]:
    """Return the matrix as it stands in the document."""
    return {row[0]: [cell.strip("`") for cell in row[1:]] for row in document.table("may")}
