"""Transactions as they are sent, and entries as they are written.

A transaction is one intent with one outcome. Its identity, (terminal, counter), is chosen by the
sender, so that it can be sent again at any time. An entry is the transaction together with what
was decided about it; entries are never changed.

A payment that carries a `proof` is an advice: money has moved on a chip, and the host must record
it even if it dislikes it. What has no place in the books (a name that no account can have, one
purse too many, a second card in a group) is posted to suspense. So is all of an advice whose proof
was looked into and is none: that a terminal claims it is known, and nothing else. A payment without
a proof is an authorisation, which may be refused. So may everything else.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from engine import limits
from engine.accounts import AccountKind, Posting
from engine.chips import UNPROVED, ChipFinding
from engine.errors import Reason
from engine.fares.state import Direction, Rating
from engine.tally import Tally

Amount = Annotated[int, Meta(ge=0, le=limits.AMOUNT_RP_MAX)]
PositiveAmount = Annotated[int, Meta(ge=1, le=limits.AMOUNT_RP_MAX)]
CorrectedAmount = Annotated[int, Meta(ge=-limits.ADJUSTMENT_RP_MAX, le=limits.ADJUSTMENT_RP_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH_MAX)]
OptionalName = Annotated[str, Meta(max_length=limits.NAME_LENGTH_MAX)]
AccountOwner = Annotated[str, Meta(min_length=1, max_length=2 * limits.NAME_LENGTH_MAX + 1)]
"""A name, or a card and a programme with a stroke between them."""
Text = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
Proof = Annotated[bytes, Meta(min_length=1, max_length=limits.PROOF_BYTES_MAX)]
ChipUid = Annotated[bytes, Meta(min_length=1, max_length=limits.CHIP_UID_BYTES_MAX)]
Counter = Annotated[int, Meta(ge=1, le=limits.COUNTER_MAX)]
TimeMs = Annotated[int, Meta(ge=0, le=limits.TIME_MS_MAX)]
Day = Annotated[int, Meta(ge=0, le=limits.DAY_MAX)]
"""A day of Jakarta, counted from 1970-01-01 as engine.calendar does."""
MediumName = Literal["stored", "account"]
Period = Annotated[int, Meta(ge=0, le=limits.PERIOD_MAX)]
"""A month, as engine.calendar counts them."""
ItemCount = Annotated[int, Meta(ge=1, le=limits.ITEM_COUNT_MAX)]


class _Intent(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag=True):
    """What all intents have in common: they are sent as arrays that begin with their name."""


class _Cardless(_Intent, frozen=True):
    """An intent that names no card; where it moves a purse, its postings name it."""

    @property
    def card(self) -> str:
        """The empty name."""
        return ""


class Tap(_Intent, frozen=True, tag="tap"):
    """A ride begins or ends at a terminal.

    One that names the service is rated: the rules say what it costs. An authorisation carries no
    amount then; what an advice says was taken on the chip may differ from what is due, and the
    difference is what its holder is owed, or owes. One without a service moves the amount that it
    tells, which may be zero.

    The direction `reset` ends a ride that was not tapped out.
    """

    card: Name
    amount_rp: Amount
    operator: Name
    direction: Direction
    place: OptionalName = ""
    line: OptionalName = ""
    purse: OptionalName = ""
    proof: Proof | None = None
    service: OptionalName = ""


class Item(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A line of a bill: goods, how many of them, and what they cost together."""

    name: Name
    count: ItemCount
    amount_rp: Amount


class Purchase(_Intent, frozen=True, tag="purchase"):
    """Goods or a levy are paid at a merchant.

    `merchant_kind` is what the shop sells, as the terminal of its acquirer tells it. `items` are
    the bill: all of it, or nothing of it. With a `programme` they are sold at its price.

    With a `charge` it is a levy for the month `period`, and the amount is all that is asked of
    those to whom nothing is waived.
    """

    card: Name
    amount_rp: PositiveAmount
    merchant: Name
    place: OptionalName = ""
    purse: OptionalName = ""
    proof: Proof | None = None
    merchant_kind: OptionalName = ""
    items: Annotated[tuple[Item, ...], Meta(max_length=limits.ITEMS_MAX)] = ()
    programme: OptionalName = ""
    charge: OptionalName = ""
    period: Period = 0


class TopUp(_Intent, frozen=True, tag="top_up"):
    """Money is put on a card: by a bank on the card's own purse, by a programme on its purse.

    `leg` tells how far the money is: `both` moves it from the bank to the purse at once; `bank`
    says that the bank has taken it, `chip` (an advice) that it arrived on the card. A programme's
    money comes from its fund: no bank carries it, and no fee is taken from it.
    """

    card: Name
    amount_rp: PositiveAmount
    bank: OptionalName = ""
    fee_rp: Amount = 0
    leg: Literal["both", "bank", "chip"] = "both"
    purse: OptionalName = ""
    proof: Proof | None = None


class Subsidy(_Cardless, frozen=True, tag="subsidy"):
    """A programme pays an operator for a service given to a recipient.

    Nothing to pay is no subsidy: it is left out of the group.
    """

    programme: Name
    operator: Name
    amount_rp: PositiveAmount


class Share(_Cardless, frozen=True, tag="share"):
    """One operator hands a part of a fare to another."""

    operator: Name
    to_operator: Name
    amount_rp: PositiveAmount


Part: TypeAlias = Tap | Purchase | TopUp | Subsidy | Share


class Group(_Intent, frozen=True, tag="group"):
    """Several movements on at most one card: all are posted, or none.

    One part with a proof makes an advice of the whole. What such an advice tells of a second card
    is posted to suspense: without a proof, parts on two cards are refused.
    """

    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=limits.GROUP_PARTS_MAX)]

    @property
    def card(self) -> str:
        """The card of its first part that names one."""
        return next((part.card for part in self.parts if part.card), "")


class Reversal(_Cardless, frozen=True, tag="reversal"):
    """Undo what is left of an earlier transaction, line by line, by opposite lines.

    The money of a card that was replaced goes to the card that took over.
    """

    terminal: Name
    counter: Counter


class Refund(_Cardless, frozen=True, tag="refund"):
    """Give back a part of an earlier tap, purchase or post."""

    terminal: Name
    counter: Counter
    amount_rp: PositiveAmount


class Adjustment(_Intent, frozen=True, tag="adjustment"):
    """An officer corrects the books; lines on purses may name one card.

    A line is kind of account, owner, and amount in rupiah (positive is a credit).
    """

    officer: Name
    reason: Text
    lines: Annotated[
        tuple[
            tuple[Annotated[int, Meta(ge=1, le=len(AccountKind))], AccountOwner, CorrectedAmount],
            ...,
        ],
        Meta(min_length=2, max_length=limits.ADJUSTMENT_LINES_MAX),
    ]
    card: OptionalName = ""


class Issue(_Intent, frozen=True, tag="issue"):
    """A card comes into being; one that advices told of already keeps what they moved.

    With a `chip` its advices may come from no other one.
    """

    card: Name
    medium: MediumName
    bank: Name
    registered: bool = False
    chip: ChipUid | None = None


class Block(_Intent, frozen=True, tag="block"):
    """A card is stopped: lost, stolen, withdrawn."""

    card: Name
    reason: Text


class Unblock(_Intent, frozen=True, tag="unblock"):
    """A stopped card goes on."""

    card: Name
    reason: Text


class Replace(_Intent, frozen=True, tag="replace"):
    """A new card takes over all money, debts and holds of an old one, which ends.

    One that advices told of already keeps what they moved. `chip` is that of the new card.
    """

    card: Name
    new_card: Name
    chip: ChipUid | None = None


class Close(_Intent, frozen=True, tag="close"):
    """A card ends: its money goes back through its bank, programme money to its programme.

    Not with a debt or an open hold.
    """

    card: Name


class Hold(_Intent, frozen=True, tag="hold"):
    """Set money aside for an operator or a merchant until it is posted, voided, or expires.

    The time runs on the host's clock from the moment of the decision.
    """

    card: Name
    amount_rp: PositiveAmount
    payee: Literal["operator", "merchant"]
    payee_name: Name
    expires_after_ms: Annotated[int, Meta(ge=1, le=limits.HOLD_MS_MAX)]
    purse: OptionalName = ""


class Post(_Intent, frozen=True, tag="post"):
    """Take a held amount, or a part of it; the rest is free again.

    The card is the one that it was held on, or one that has taken over since.
    """

    card: Name
    terminal: Name
    counter: Counter
    amount_rp: PositiveAmount


class Void(_Intent, frozen=True, tag="void"):
    """Let a held amount go; the card is told as for a post."""

    card: Name
    terminal: Name
    counter: Counter


class Grant(_Intent, frozen=True, tag="grant"):
    """An agency entitles the holder of a card to a programme, as a member of a group.

    For an allowance the group is the level. The holder is a pseudonym that stands for one person in
    all grants, never a NIK. Both days are days on which it holds. A renewal takes the place of the
    grant before it; one that follows on it keeps its first day.
    """

    card: Name
    programme: Name
    group: Name
    holder: Name
    since_day: Day
    until_day: Day


class Revoke(_Intent, frozen=True, tag="revoke"):
    """A grant ends at once: the agency withdraws it, or it was given away or sold."""

    card: Name
    programme: Name
    reason: Text


class Identify(_Intent, frozen=True, tag="identify"):
    """The bank of a card has learnt who holds it: the limits of a registered card hold from now on.

    The holder is a pseudonym, as in a grant.
    """

    card: Name
    holder: Name


class Withdrawal(_Intent, frozen=True, tag="withdrawal"):
    """Cash is paid out of a purse by a bank."""

    card: Name
    amount_rp: PositiveAmount
    bank: Name
    purse: OptionalName = ""
    place: OptionalName = ""
    proof: Proof | None = None


Intent: TypeAlias = (
    Tap
    | Purchase
    | TopUp
    | Subsidy
    | Share
    | Group
    | Reversal
    | Refund
    | Adjustment
    | Issue
    | Block
    | Unblock
    | Replace
    | Close
    | Hold
    | Post
    | Void
    | Grant
    | Revoke
    | Identify
    | Withdrawal
)


class Transaction(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What a terminal sends: its counter, its clock, and what it wants."""

    counter: Counter
    at_ms: TimeMs
    intent: Intent


class Entry(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One record of the journal: a transaction and what was decided about it.

    Attributes:
      decided_ms: the host's clock, never earlier than that of the entry before.
      reason: why it was refused; empty when it was posted.
      rule: behind a refusal or the first exception, or by which a return, a fare or a grant goes.
      detail: the field that the rule speaks of, where there is one (`parts[1].operator`).
      balance_rp: of the purse that was used, after the transaction.
      exceptions: what the ledger dislikes in an advice that it posted all the same.
      postings: lines that sum to zero.
      previous: position of the card's entry before this one, -1 for its first.
      rating: where the card's rides stand after a tap that was rated, and all later ones.
      middle: where they stand after the older half of the taps that are kept, if that changed.
      tally: what the card has had of programmes afterwards, where that changed.
      chip: what was found of the proof of an advice; None where there is none, or nobody looked.
    """

    terminal: Name
    counter: Counter
    at_ms: TimeMs
    intent: Intent
    decided_ms: TimeMs
    reason: Reason
    rule: str
    detail: str
    balance_rp: int
    exceptions: tuple[Reason, ...]
    postings: tuple[Posting, ...]
    previous: int
    rating: Rating | None = None
    middle: Rating | None = None
    tally: Tally | None = None
    chip: ChipFinding | None = None

    @property
    def posted(self) -> bool:
        """Whether the transaction took effect."""
        return not self.reason

    @property
    def unproved(self) -> bool:
        """Whether it is an advice that no chip has proved: what it tells moved nothing."""
        return self.chip is not None and not UNPROVED.isdisjoint(self.exceptions)
