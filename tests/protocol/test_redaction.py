"""What an observer sees holds no card, no person and no balance, and all the rest."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from engine.chips import ChipFinding
from engine.errors import Reason
from engine.transaction import Entry, Group, Intent, Item, Part, Purchase, Replace, Tap
from protocol.redaction import SECRET_BYTES, masked, pseudonyms, redact
from tests.engine.histories import History, histories, play
from tests.storage import city

SECRET: Final = bytes(range(SECRET_BYTES))
PSEUDONYM: Final = pseudonyms(SECRET)

SHOWN: Final = {
    *("amount_rp", "fee_rp", "expires_after_ms", "counter"),
    *("operator", "to_operator", "merchant", "bank", "programme", "purse", "payee_name"),
    *("merchant_kind", "charge", "period"),
    *("place", "line", "service", "direction", "leg", "medium", "payee", "registered", "terminal"),
    *("group", "since_day", "until_day"),
}
"""Fields of intents that are nobody's own. Any other one must not come through."""
SEEN_INSIDE: Final = {"parts", "lines", "items"}


def encoded(entry: Entry) -> bytes:
    return msgspec.msgpack.encode(redact(entry, PSEUDONYM))


VALUES: Final[dict[str, object]] = {
    "direction": "in",
    "leg": "both",
    "medium": "account",
    "payee": "operator",
    "registered": True,
    "proof": b"<proof>",
    "chip": b"<chip>",
    "lines": ((1, "<owner>", 1), (2, "<owner>/p", -1)),
    "since_day": 20_370,
    "until_day": 20_551,
    "items": (("<items>", 2, 3),),
    "period": 24_290,
    **dict.fromkeys(("amount_rp", "fee_rp", "expires_after_ms", "counter"), 987_654_321),
}
"""Of a field that is no text; a text holds the name of its field."""

KINDS: Final = [kind for kind in get_args(Intent) if kind is not Group]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_of_an_intent_only_what_is_nobodys_own_comes_through(kind: type[Intent]) -> None:
    values = {name: VALUES.get(name, f"<{name}>") for name in kind.__struct_fields__}
    intent = msgspec.convert([kind.__struct_config__.tag, *values.values()], kind)
    entry = Entry("T", 1, 1, intent, 1, Reason.NONE, "", "", 7, (), (), -1)
    shown = encoded(entry)
    assert b"<owner>" not in shown
    for name in values.keys() - SHOWN:
        assert f"<{name}>".encode() not in shown
    told = msgspec.msgpack.decode(shown, type=Entry).intent
    assert {name: getattr(told, name) for name in values.keys() & SHOWN} == {
        name: values[name] for name in values.keys() & SHOWN
    }


@given(st.lists(st.tuples(city.intents, city.terminals), max_size=15))
def test_no_card_no_officer_and_no_proof_stands_in_what_is_sent(
    drawn: list[tuple[Intent, str]],
) -> None:
    town = city.lively_city()
    for intent, terminal in drawn:
        town.send(intent, terminal)
    everything = b"".join(map(encoded, town.entries))
    for secret in (*city.CARDS, "officer", "counted", "lost", "found"):
        assert secret.encode() not in everything
    for of_chip in (city.PROOF, *city.CHIPS, *city.FINDINGS):
        assert of_chip not in everything


@given(histories)
def test_amounts_and_all_else_stay_and_what_is_shown_is_an_entry(history: History) -> None:
    for entry in play(history).entries:
        shown = redact(entry, PSEUDONYM)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(shown), type=Entry) == shown
        assert [line[::2] for line in shown.postings] == [line[::2] for line in entry.postings]
        assert shown.balance_rp == 0
        assert (shown.rating, shown.middle, shown.tally) == (None, None, None)
        changed = {"intent", "postings", "balance_rp", "rating", "middle", "tally", "chip"}
        for name in set(Entry.__struct_fields__) - changed:
            assert getattr(shown, name) == getattr(entry, name)
        assert type(shown.intent) is type(entry.intent)


@given(histories)
def test_counts_by_card_come_out_right(history: History) -> None:
    entries = play(history).entries
    by_card: dict[str, int] = {}
    by_pseudonym: dict[str, int] = {}
    for entry in entries:
        for kind, owner, amount_rp in entry.postings:
            if kind == 1:
                by_card[owner] = by_card.get(owner, 0) + amount_rp
        for kind, owner, amount_rp in redact(entry, PSEUDONYM).postings:
            if kind == 1:
                by_pseudonym[owner] = by_pseudonym.get(owner, 0) + amount_rp
    assert by_pseudonym == {PSEUDONYM(card): total_rp for card, total_rp in by_card.items()}


def test_of_a_chip_only_what_was_found_comes_through() -> None:
    found = ChipFinding("forged", city.CHIPS[0], 7, "amount_rp", blocks=True)
    entry = Entry("T", 1, 1, Tap("C", 1, "tj", "in"), 1, Reason.NONE, "", "", 7, (), (), -1)
    shown = redact(replace(entry, chip=found), PSEUDONYM)
    assert shown.chip == ChipFinding("forged", b"*", 0, "amount_rp", blocks=True)
    assert redact(entry, PSEUDONYM).chip is None


def test_a_pseudonym_is_a_keyed_hash_and_no_name() -> None:
    digest = hmac.new(SECRET, b"6013500100000001", hashlib.sha256).hexdigest()
    assert PSEUDONYM("6013500100000001") == "*" + digest[:16]
    assert pseudonyms(bytes(SECRET_BYTES))("6013500100000001") != PSEUDONYM("6013500100000001")


def test_the_parts_of_a_group_and_both_cards_of_a_replacement_are_hidden() -> None:
    parts: tuple[Part, ...] = (Tap("card-a", 1, "tj", "in"), Tap("card-b", 1, "tj", "in"))
    intents: tuple[Intent, ...] = (Group(parts), Replace("card-a", "card-b"))
    for intent in intents:
        postings = ((1, "card-a", 1), (2, "card-b/kjp", -1), (3, "card-c", 0))
        entry = Entry("T", 1, 1, intent, 1, Reason.NONE, "", "", 7, (), postings, -1)
        shown = encoded(entry)
        assert b"card-a" not in shown
        assert b"card-b" not in shown
        assert b"card-c" in shown, "an operator's name is nobody's own"


def test_whose_fares_are_owed_is_hidden() -> None:
    entry = Entry("T", 1, 1, Replace("A", "B"), 1, Reason.NONE, "", "", 7, (), ((11, "A", 5),), -1)
    assert redact(entry, PSEUDONYM).postings == ((11, PSEUDONYM("A"), 5),)


@pytest.mark.parametrize(
    ("card", "shown"),
    [("6013000000000001", "...0001"), ("601300012", "...0012"), ("60130001", "..."), ("", "...")],
)
def test_no_number_of_a_card_is_shown_whole(card: str, shown: str) -> None:
    assert masked(card) == shown


def test_an_owner_of_nonsense_stays_within_its_bound() -> None:
    postings = ((2, "A/" + "p" * 127, 1),)
    entry = Entry("T", 1, 1, Replace("A", "B"), 1, Reason.NONE, "", "", 7, (), postings, -1)
    ((_, owner, _),) = redact(entry, PSEUDONYM).postings
    assert len(owner) == 17 + 1 + 64


def test_every_field_of_an_intent_is_known_to_these_tests() -> None:
    """A new field has to be judged: is it somebody's own?"""
    hidden = {"card", "new_card", "officer", "holder", "reason", "proof", "chip"}
    structs: tuple[type[Struct], ...] = get_args(Intent)
    names = {name for struct in structs for name in struct.__struct_fields__}
    assert names == SHOWN | hidden | SEEN_INSIDE


def test_what_was_bought_is_hidden_and_what_it_cost_stays() -> None:
    items = (Item("hearing_aid", 1, 900), Item("books", 2, 100))
    bought = Purchase("card-a", 1000, "apotek", purse="kjp", merchant_kind="health", items=items)
    for intent in (bought, Group((bought,))):
        entry = Entry("T", 1, 1, intent, 1, Reason.NONE, "", "", 7, (), (), -1)
        shown = redact(entry, PSEUDONYM).intent
        (part,) = shown.parts if isinstance(shown, Group) else (shown,)
        assert isinstance(part, Purchase)
        assert part.items == (Item("*", 1, 900), Item("*", 2, 100))
        assert (part.merchant_kind, part.merchant, part.purse) == ("health", "apotek", "kjp")
