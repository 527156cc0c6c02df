"""Any transaction that the schema allows."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from engine import limits
from engine.accounts import AccountKind
from engine.chips import ChipFinding
from engine.errors import Reason
from engine.tally import Bought, Charged, Credit, Tally
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Grant,
    Group,
    Hold,
    Identify,
    Intent,
    Issue,
    Item,
    Part,
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

optional_names = st.text(max_size=limits.NAME_LENGTH_MAX)
names = st.text(min_size=1, max_size=limits.NAME_LENGTH_MAX)
owners = st.text(min_size=1, max_size=2 * limits.NAME_LENGTH_MAX + 1)
texts = st.text(min_size=1, max_size=limits.TEXT_LENGTH_MAX)
amounts = st.integers(0, limits.AMOUNT_RP_MAX)
positive_amounts = st.integers(1, limits.AMOUNT_RP_MAX)
corrected_amounts = st.integers(-limits.ADJUSTMENT_RP_MAX, limits.ADJUSTMENT_RP_MAX)
counters = st.integers(1, limits.COUNTER_MAX)
days = st.integers(0, limits.DAY_MAX)
times = st.integers(0, limits.TIME_MS_MAX)
proofs = st.none() | st.binary(min_size=1, max_size=limits.PROOF_BYTES_MAX)
uids = st.none() | st.binary(min_size=1, max_size=limits.CHIP_UID_BYTES_MAX)
findings = st.builds(
    *(ChipFinding, st.sampled_from(["forged", "genuine", "unknown_key", "unreadable"])),
    *(st.binary(max_size=limits.CHIP_UID_BYTES_MAX), counters, st.text(), st.booleans()),
)
kinds = st.integers(1, len(AccountKind))
services = st.sampled_from(["", "mrt", "transjakarta_brt", "by camel"])
media = st.sampled_from(["stored", "account"])
months = st.integers(0, 120_000)
credit = st.lists(st.builds(Credit, names, names, amounts), max_size=2).map(tuple)
tallies = st.builds(
    Tally,
    st.lists(st.builds(Bought, names, names, months, counters)).map(tuple),
    st.lists(st.builds(Charged, names, months, amounts, amounts, credit)).map(tuple),
    credit,
)
items = st.builds(Item, names, st.integers(1, limits.ITEM_COUNT_MAX), amounts)

_PARTS: Final[dict[type[Intent], SearchStrategy[Part]]] = {
    Tap: st.builds(
        *(Tap, names, amounts, names, st.sampled_from(["in", "out", "reset"])),
        *(optional_names, optional_names, optional_names, proofs, services),
    ),
    Purchase: st.builds(
        *(Purchase, names, positive_amounts, names, optional_names, optional_names, proofs),
        *(optional_names, st.lists(items, max_size=limits.ITEMS_MAX).map(tuple)),
        *(optional_names, optional_names, st.integers(0, limits.PERIOD_MAX)),
    ),
    TopUp: st.builds(
        *(TopUp, names, positive_amounts, optional_names, amounts),
        *(st.sampled_from(["both", "bank", "chip"]), optional_names, proofs),
    ),
    Subsidy: st.builds(Subsidy, names, names, positive_amounts),
    Share: st.builds(Share, names, names, positive_amounts),
}
parts = st.one_of(*_PARTS.values())

INTENTS: Final[dict[type[Intent], SearchStrategy[Intent]]] = {
    **_PARTS,
    Group: st.builds(
        Group, st.lists(parts, min_size=1, max_size=limits.GROUP_PARTS_MAX).map(tuple)
    ),
    Reversal: st.builds(Reversal, names, counters),
    Refund: st.builds(Refund, names, counters, positive_amounts),
    Adjustment: st.builds(
        *(Adjustment, names, texts),
        st.lists(
            st.tuples(kinds, owners, corrected_amounts),
            min_size=2,
            max_size=limits.ADJUSTMENT_LINES_MAX,
        ).map(tuple),
        optional_names,
    ),
    Issue: st.builds(Issue, names, media, names, st.booleans(), uids),
    Block: st.builds(Block, names, texts),
    Unblock: st.builds(Unblock, names, texts),
    Replace: st.builds(Replace, names, names, uids),
    Close: st.builds(Close, names),
    Hold: st.builds(
        *(Hold, names, positive_amounts, st.sampled_from(["operator", "merchant"]), names),
        *(st.integers(1, limits.HOLD_MS_MAX), optional_names),
    ),
    Post: st.builds(Post, names, names, counters, positive_amounts),
    Void: st.builds(Void, names, names, counters),
    Grant: st.builds(Grant, names, names, names, names, days, days),
    Revoke: st.builds(Revoke, names, names, texts),
    Identify: st.builds(Identify, names, names),
    Withdrawal: st.builds(
        *(Withdrawal, names, positive_amounts, names, optional_names, optional_names, proofs)
    ),
}
"""A strategy for each kind of intent."""

intents = st.one_of(*INTENTS.values())
transactions = st.builds(Transaction, counters, times, intents)
reasons = st.sampled_from(Reason)
entries = st.builds(
    *(Entry, names, counters, times, intents, times, reasons, st.text(), st.text()),
    *(st.integers(-(2**63), 2**63 - 1), st.lists(reasons).map(tuple)),
    st.lists(st.tuples(kinds, owners, corrected_amounts)).map(tuple),
    st.integers(-1, 2**53),
    tally=st.none() | tallies,
    chip=st.none() | findings,
)


def entry_of(transaction: Transaction, terminal: str = "T") -> Entry:
    """Return the entry of a transaction that was posted and moved nothing."""
    return Entry(
        terminal=terminal,
        counter=transaction.counter,
        at_ms=transaction.at_ms,
        intent=transaction.intent,
        decided_ms=transaction.at_ms,
        reason=Reason.NONE,
        rule="",
        detail="",
        balance_rp=0,
        exceptions=(),
        postings=(),
        previous=-1,
    )
