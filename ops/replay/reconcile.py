"""The file against the ledger: what was taken, what is posted, and every difference.

What the ledger holds is what it answered when it was asked for each transaction by its id, line
by line of its entry; nothing here relies on what was sent. What stands under other ids than ours
would show in the operators' accounts, which are compared with what is new.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.accounts import BANK_SETTLEMENT, OPERATOR_REVENUE, OWED_FARES, PURSE
from ops.replay.csv_file import BadRow, Reading
from ops.replay.ledger import Standing
from ops.replay.plan import Plan, Step
from ops.replay.rated import Rides, moved_rp
from terminals.messages import Entry, Found

NO_BANK: Final = "(none)"
"""Where the ledger does not know who loaded a card."""


class Difference(NamedTuple):
    """Where file and ledger are not the same.

    Attributes:
      line: of the file.
      trans_id: of the row.
      what: `in`, `out` or `load` for a transaction, `row` for a row that was not taken, `account`
        for an operator's account; then there is no line.
      terminal, counter: the id in the ledger; empty and 0 for a row.
      file_rp, ledger_rp: what it is about.
      reason: what is different.
      explained: the file itself is the cause.
    """

    line: int
    trans_id: str
    what: str
    terminal: str
    counter: int
    file_rp: int
    ledger_rp: int
    reason: str
    explained: bool


class Sides(NamedTuple):
    """Rupiah in the file and in the ledger."""

    file_rp: int
    ledger_rp: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome of a replay.

    Attributes:
      rows_taken: of the file.
      taps_sent: that the node gave a final answer to.
      posted: of them, new in the ledger by this replay.
      duplicates: of them, in the ledger by an earlier replay, or by another at the same time.
      refused: of them, neither.
      loaded_rp: on the cards of this file, on its days, as the ledger has it.
      exceptions: what the ledger dislikes in what it posted, with how often.
      total, operators, banks: rupiah of all trips, and of those of each operator and bank.
      differences: all of them.
    """

    rows_taken: int
    taps_sent: int
    posted: int
    duplicates: int
    refused: int
    loaded_rp: int
    exceptions: dict[str, int]
    total: Sides
    operators: dict[str, Sides]
    banks: dict[str, Sides]
    differences: list[Difference]

    @property
    def reconciled(self) -> bool:
        """Whether the file itself explains every difference, and there was something to compare."""
        return self.rows_taken > 0 and all(difference.explained for difference in self.differences)


def reconcile(
    reading: Reading, plan: Plan, before: Standing, after: Standing, rides: Rides | None = None
) -> Reconciliation:
    """Compare a file with what the ledger holds of it.

    Args:
      reading: what the file holds.
      plan: what was made of it, sent, and looked up in the ledger.
      before: how the ledger stood when nothing was sent yet.
      after: how it stood when all was answered.
      rides: what the ledger holds of the rides that it rated.
    """
    taps = plan.taps
    answered = [step.outcome for step in taps if step.outcome is not None]
    posted = [outcome for outcome in answered if outcome.result == "posted"]
    new = [step for step in taps if _is_new(step, before.position)]
    operators, banks = _operators(taps), _banks(plan)
    refused_rp = sum(row.amount_rp for row in reading.refused)
    return Reconciliation(
        rows_taken=len(reading.trips),
        taps_sent=len(answered),
        posted=len(new),
        duplicates=len(posted) - len(new),
        refused=len(answered) - len(posted),
        loaded_rp=sum(_loaded_rp(entry) for entry in _entries(plan.steps)),
        exceptions=dict(
            Counter(reason for entry in _entries(plan.steps) for reason in entry.exceptions)
        ),
        total=Sides(
            sum(trip.amount_rp for trip in reading.trips) + refused_rp,
            sum(side.ledger_rp for side in operators.values()),
        ),
        operators=operators,
        banks=banks,
        differences=[
            *_rows_not_taken(reading.refused),
            *(difference for step in plan.steps for difference in _difference(step)),
            *_accounts_moved(new, before.revenue_rp, after.revenue_rp),
            *_owed_moved(new, after.owed_rp - before.owed_rp),
            *_unbalanced(rides),
        ],
    )


def _is_new(step: Step, first_position: int) -> bool:
    """Tell whether a step was posted by this replay, and by no other that runs beside it."""
    outcome = step.outcome
    if outcome is None or outcome.result != "posted" or outcome.position < first_position:
        return False
    # An answer that was lost with its connection comes as a repeated one.
    return not outcome.repeated or step.was_resent


def _accounts_moved(
    new: Sequence[Step], before_rp: Mapping[str, int], after_rp: Mapping[str, int]
) -> Iterator[Difference]:
    posted_rp = Counter[str]()
    for entry in _entries(new):
        posted_rp.update(_line_rp(entry, OPERATOR_REVENUE))
    for operator in after_rp:
        moved_rp = after_rp[operator] - before_rp[operator]
        if moved_rp != posted_rp[operator]:
            reason = f"{operator}'s account moved by other taps than those of this replay"
            yield Difference(
                0, "", "account", "", 0, posted_rp[operator], moved_rp, reason, explained=False
            )


def _owed_moved(new: Sequence[Step], owed_rp: int) -> Iterator[Difference]:
    posted_rp = sum(moved_rp(entry, OWED_FARES) for entry in _entries(new))
    if owed_rp != posted_rp:
        reason = "what cards are owed moved by other taps than those of this replay"
        yield Difference(0, "", "account", "", 0, posted_rp, owed_rp, reason, explained=False)


def _unbalanced(rides: Rides | None) -> Iterator[Difference]:
    if rides is not None and not rides.balanced:
        reason = "operators did not earn what chips paid and is not owed"
        due_rp = rides.paid_rp - rides.owed_rp
        yield Difference(0, "", "account", "", 0, due_rp, rides.earned_rp, reason, explained=False)


def _entries(steps: Iterable[Step]) -> Iterator[Entry]:
    for step in steps:
        if isinstance(step.found, Found):
            yield step.found.entry


def _line_rp(entry: Entry, kind: int) -> dict[str, int]:
    """Return what an entry moves on the accounts of one kind, by owner."""
    moved: defaultdict[str, int] = defaultdict(int)
    for line_kind, owner, amount_rp in entry.postings:
        if line_kind == kind:
            moved[owner] += amount_rp
    return moved


def _loaded_rp(entry: Entry) -> int:
    return -sum(_line_rp(entry, BANK_SETTLEMENT).values())


def _operators(taps: Sequence[Step]) -> dict[str, Sides]:
    in_file, in_ledger = Counter[str](), Counter[str]()
    for step in taps:
        in_file[step.trip.operator] += step.amount_rp
    for entry in _entries(taps):
        in_ledger.update(_line_rp(entry, OPERATOR_REVENUE))
    return _sides(in_file, in_ledger)


def _banks(plan: Plan) -> dict[str, Sides]:
    """Return what cards spent, by bank: the file's own, and the one that loaded the card."""
    in_file, in_ledger = Counter[str](), Counter[str]()
    loaders: dict[str, str] = {}
    for entry in _entries(step for step in plan.steps if not step.is_tap):
        for bank in _line_rp(entry, BANK_SETTLEMENT):
            loaders.update(dict.fromkeys(_line_rp(entry, PURSE), bank))
    for step in plan.taps:
        in_file[step.trip.bank] += step.amount_rp
    for entry in _entries(plan.taps):
        for card, amount_rp in _line_rp(entry, PURSE).items():
            in_ledger[loaders.get(card, NO_BANK)] -= amount_rp
    return _sides(in_file, in_ledger)


def _sides(in_file: Counter[str], in_ledger: Counter[str]) -> dict[str, Sides]:
    names = sorted(in_file.keys() | in_ledger.keys())
    return {name: Sides(in_file[name], in_ledger[name]) for name in names}


def _rows_not_taken(refused: Iterable[BadRow]) -> Iterator[Difference]:
    # A row without an amount takes nothing from the ledger: it is reported as refused, no more.
    for row in refused:
        if row.amount_rp:
            reason = " ".join(filter(None, ("row refused:", row.field, row.reason)))
            yield Difference(
                row.line, row.trans_id, "row", "", 0, row.amount_rp, 0, reason, explained=True
            )


def _difference(step: Step) -> Iterator[Difference]:
    ledger_rp, reason = 0, "not in the ledger"
    if isinstance(step.found, Found):
        entry = step.found.entry
        ledger_rp = _moved_rp(step, entry)
        reason = _disagreement(step, entry, ledger_rp)
    elif step.outcome is not None and step.outcome.result != "posted":
        reason = f"{step.outcome.result}: {step.outcome.reason or step.outcome.detail}"
    if reason:
        yield Difference(
            step.trip.line,
            step.trip.trans_id,
            step.kind,
            step.terminal,
            step.counter,
            step.amount_rp,
            ledger_rp,
            reason,
            explained=False,
        )


def _moved_rp(step: Step, entry: Entry) -> int:
    if entry.rating is not None:
        # What is above the fare is owed to the card, and the fare may be that of a ride before.
        return moved_rp(entry, OPERATOR_REVENUE) + moved_rp(entry, OWED_FARES)
    if step.is_tap:
        return _line_rp(entry, OPERATOR_REVENUE).get(step.trip.operator, 0)
    return -_line_rp(entry, BANK_SETTLEMENT).get(step.trip.bank, 0)


def _disagreement(step: Step, entry: Entry, ledger_rp: int) -> str:
    """Return in what an entry is not what the file says; empty if in nothing."""
    if entry.reason:
        return f"refused: {entry.reason}"
    if list(entry.intent) != list(step.intent) or entry.at_ms != step.at_ms:
        conflict = step.outcome.detail if step.outcome else ""
        return f"the ledger holds it otherwise{f' ({conflict})' if conflict else ''}"
    if ledger_rp != step.amount_rp:
        return "posted to another account"
    if _line_rp(entry, PURSE).get(step.trip.card, 0) != (-ledger_rp if step.is_tap else ledger_rp):
        return "posted to another purse"
    return ""
