"""Advices and the chips that prove them: what no chip has proved moves nothing that is anybody's.

Where the proof of an advice was looked into, the money moves if the chip of the card made it, in a
commit that was not told before. A card that is bound to a chip is believed no other chip; one that
is not is believed any chip that is bound to no other card.

What is not proved is filed, and its amount stands in suspense: it is `claimed` by the terminal, of
which an officer may find the owner, against what is `unproved`. Both owners carry the name of the
terminal, so their balances tell what each terminal claims.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.accounts import IN_ORDER, SUSPENSE, Postings
from engine.advices import on_cards
from engine.book import Book
from engine.card import ACTIVE, Card
from engine.chips import BELIEVED, ChipFinding
from engine.decisions.checks import purse_now
from engine.errors import Reason
from engine.limits import ACCOUNTS_PER_KIND_MAX
from engine.moment import Moment
from engine.transaction import Group, Intent
from engine.verdict import CHIP_RULE, TIME_RULE, Doubt, Verdict, filed


def decide_unproved(
    book: Book, card: Card | None, now: Moment, terminal: str, intent: Intent, chip: ChipFinding
) -> tuple[Verdict, ChipFinding] | None:
    """Decide an advice that no chip has proved; None: one has, so it is decided as ever."""
    reasons = _reasons(book, card, intent.card, chip)
    if not reasons:
        return None
    rule = now.rules.proofs
    bound = None if rule is None else rule.card_blocked_after
    if bound is not None and card is not None and card.status is ACTIVE:
        count = card.chip.unproved_on(now.day) + 1
        chip = replace(chip, blocks=count >= bound)
    cited = CHIP_RULE if rule is None else rule.version
    doubts: list[Doubt] = [(reason, cited, chip.field) for reason in reasons]
    lines = _claim(book, terminal, _claimed_rp(intent))
    balance_rp = purse_now(card, _purse(intent)).balance_rp
    return filed(lines, balance_rp, doubts), chip


def with_its_date(verdict: Verdict, chip: ChipFinding) -> Verdict:
    """Return the verdict on an advice that a chip has proved; one that is misdated is filed.

    The terminal tells the time as it knows it now, and its chip as the terminal knew it then: both
    are kept, for whoever asks which clock was wrong.
    """
    if chip.finding != "misdated":
        return verdict
    cited = verdict if verdict.exceptions else replace(verdict, rule=TIME_RULE, detail=chip.field)
    return replace(cited, exceptions=(*verdict.exceptions, Reason.CLOCK_CORRECTED))


def bound_elsewhere(book: Book, uid: bytes, card: str) -> str:
    """Return the other card that a chip is bound to, or the empty name."""
    counts = book.chips.get(uid)
    return "" if counts is None or counts.card == card else counts.card


def _reasons(book: Book, card: Card | None, name: str, chip: ChipFinding) -> list[Reason]:
    if chip.finding == "forged":
        return [Reason.PROOF_FORGED]
    if chip.finding not in BELIEVED:
        return [Reason.PROOF_UNREADABLE]
    reasons: list[Reason] = []
    bound = b"" if card is None else card.chip.uid
    if bound != chip.uid if bound else bound_elsewhere(book, chip.uid, name):
        reasons.append(Reason.CHIP_MISMATCH)
    counts = book.chips.get(chip.uid)
    if counts is not None and counts.seen.has(chip.counter):
        reasons.append(Reason.PROOF_REPEATED)
    return reasons


def _claimed_rp(intent: Intent) -> int:
    """Return all that an advice says was moved, by programmes and operators beside it as well."""
    parts = intent.parts if isinstance(intent, Group) else [part for _, part in on_cards(intent)]
    return sum(part.amount_rp for part in parts)


def _purse(intent: Intent) -> str:
    """Return the purse whose balance is told: of several that pay in order the card's own."""
    of_card = [part.purse for _, part in on_cards(intent) if part.card == intent.card]
    return "" if of_card[-1] == IN_ORDER else of_card[-1]


def _claim(book: Book, terminal: str, amount_rp: int) -> Postings:
    if not amount_rp:
        return ()
    owners = [f"unproved/{terminal}", f"claimed/{terminal}"]
    known = book.accounts[SUSPENSE]
    if owners[0] not in known and len(known) + len(owners) > ACCOUNTS_PER_KIND_MAX:
        owners = ["unproved", "claimed"]
    return ((SUSPENSE, owners[0], -amount_rp), (SUSPENSE, owners[1], amount_rp))
