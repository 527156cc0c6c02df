"""What lists do to a terminal when they come into use."""

from __future__ import annotations

from engine.rules.listed import entries_of
from ops.rulebook import NOWHERE
from ops.terminal.followed import VERSION, follow_lists
from ops.terminal.law import Fares, TerminalLaw
from terminals.acceptance.uplink import UseList
from tests.ops.terminal.test_law import NEXT


class Followed:
    """What a terminal follows, and what came of it."""

    def __init__(self) -> None:
        self.users: dict[str, UseList] = {}
        self.fares: list[Fares] = []
        self.notes: list[str] = []
        law = TerminalLaw(None, NOWHERE)
        follow_lists(self.users.__setitem__, "gate", law, self.fares.append, self.notes.append)


def test_rules_that_can_be_used_are_decided_by_from_then_on() -> None:
    followed = Followed()
    followed.users["rules"](entries_of({"fare-2027.toml": NEXT}))
    assert len(followed.fares) == 1
    followed.users["rules"]([("nonsense", "x")])
    assert len(followed.fares) == 1
    assert len(followed.notes) == 1


def test_people_are_told_of_other_firmware_for_this_kind_of_terminal() -> None:
    followed = Followed()
    see = followed.users["firmware"]
    see([])
    see([("gate", VERSION), ("bus", "9.9")])
    assert followed.notes == []
    see([("gate", "9.9")])
    assert followed.notes == [f"firmware 9.9 is published for a gate; this is {VERSION}"]
