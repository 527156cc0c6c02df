"""Proofs: whether a chip did what a terminal tells, found out before that is decided.

The engine knows no keys; it is handed what was found. A proof is genuine if its MAC is the chip's,
over just this change of its value and for this terminal, and if the record that the chip wrote
says the same as the advice: when, what for, and how much.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, NamedTuple

from actors import limits
from engine.advices import OnCard, change_rp, on_cards
from engine.chips import ChipFinding
from engine.moment import Moment
from engine.transaction import Entry, Intent, Tap, TopUp, Transaction
from protocol.chip.errors import Malformed
from protocol.chip.keys import CardKeys, ChipKey, KeyMissing, KeyStoreFailed, Role
from protocol.chip.profile import Record, Use, reader_identity
from protocol.chip.proof import Effect, Proof

_TAPS: Final = {"in": Use.TAP_IN, "out": Use.TAP_OUT, "reset": Use.RESET}
_NOTED: Final = frozenset({1, 10, 100, 1_000, 10_000, 100_000})
"""How many unproved advices of a terminal on a day are told of: the log must not be flooded."""


class _Claim(NamedTuple):
    """What an advice says that a chip did.

    Attributes:
      path: of the part that carries the proof, in the intent.
      change_rp: of the chip's value, of all parts together.
    """

    part: OnCard
    proof: bytes
    path: str
    change_rp: int


class ProofJudge:
    """Judges the proofs of advices, and tells an operator whose are none.

    Args:
      keys: of the cards; only those of proofs are asked for.
      note: takes a line for the operator; it names no card.
      time_slack_s: how far the time of an advice may be from the one on the chip.
    """

    def __init__(
        self,
        keys: CardKeys,
        *,
        note: Callable[[str], None],
        time_slack_s: int = limits.PROOF_TIME_SLACK_S,
    ) -> None:
        # To derive a card's key costs as much as the rest: a card is used more than once a day.
        self._key_of: Callable[[int, bytes], ChipKey] = lru_cache(limits.CHIP_KEYS_KEPT)(
            partial(keys.card_key, Role.PROOF)
        )
        self._note = note
        self._time_slack_s = time_slack_s
        self._keys_fail = False
        self._day = 0
        self._unproved: dict[str, int] = {}

    def judge(self, terminal: str, transaction: Transaction) -> ChipFinding | None:
        """Return what is found of the proof of a transaction; None: it has none.

        Raises:
          KeyStoreFailed: the store of keys does not answer; nothing was found out.
        """
        found = _claim_of(transaction.intent)
        if found is None or isinstance(found, ChipFinding):
            return found
        try:
            finding = self._judge(terminal, transaction.at_ms, found)
        except KeyStoreFailed as failure:
            if not self._keys_fail:
                self._keys_fail = True
                self._note(f"advices wait: the keys of the cards cannot be used ({failure})")
            raise
        self._keys_fail = False
        return finding

    def suspends(self, terminal: str, now: Moment) -> bool:
        """Tell whether nothing is taken from a terminal today, by the rule about proofs.

        Counted is what this process has seen: a node that starts anew begins anew.
        """
        rule = now.rules.proofs
        if rule is None or rule.terminal_suspended_after is None or self._day != now.day:
            return False
        return self._unproved.get(terminal, 0) >= rule.terminal_suspended_after

    def watch(self, entry: Entry, now: Moment) -> None:
        """Tell the operator of an advice that no chip has proved."""
        assert entry.chip is not None
        if now.day != self._day:
            self._day, self._unproved = now.day, {}
        count = self._unproved[entry.terminal] = self._unproved.get(entry.terminal, 0) + 1
        if count in _NOTED:
            reasons = ", ".join(entry.exceptions)
            self._note(
                f"terminal {entry.terminal}: {count} of its advices of today no chip has proved; "
                f"the last one, counter {entry.counter}: {reasons} ({entry.chip.field})"
            )
        rule = now.rules.proofs
        if rule is not None and count == rule.terminal_suspended_after:
            self._note(
                f"terminal {entry.terminal} is suspended until the day is over, by {rule.version}: "
                f"{count} of its advices no chip has proved"
            )
        if entry.chip.blocks:
            self._note(
                f"terminal {entry.terminal}, counter {entry.counter}: the card of this advice was "
                f"blocked, by {entry.rule}"
            )

    def _judge(self, terminal: str, at_ms: int, claim: _Claim) -> ChipFinding:
        where = f"{claim.path}proof"
        try:
            proof = Proof.decode(claim.proof)
        except Malformed:
            return ChipFinding("unreadable", b"", 0, where)
        found = partial(ChipFinding, uid=proof.uid, counter=proof.committed.counter)
        try:
            key = self._key_of(proof.key_version, proof.uid)
        except KeyMissing:
            return found("unknown_key", field=where)
        try:
            effect = Effect.of(claim.change_rp)
            genuine = proof.is_genuine(key, reader_identity(terminal), effect)
            record = proof.told()
        except Malformed:
            # An amount that no chip counts, or a record that none of our terminals writes.
            return found("forged", field=where)
        if not genuine:
            return found("forged", field=where)
        if field := _difference(record, claim):
            return found("forged", field=field)
        if abs(record.at_s - at_ms // 1000) > self._time_slack_s:
            return found("misdated", field="at_ms")
        return found("genuine", field=where)


def _difference(record: Record, claim: _Claim) -> str:
    """Return the field of an advice in which the record on the chip differs, or nothing."""
    if record.amount_rp != abs(claim.change_rp):
        return f"{claim.path}amount_rp"
    part = claim.part
    if isinstance(part, Tap):
        return "" if record.use is _TAPS[part.direction] else f"{claim.path}direction"
    use = Use.TOP_UP if isinstance(part, TopUp) else Use.PURCHASE
    return "" if record.use is use else f"{claim.path}proof"


def _claim_of(intent: Intent) -> _Claim | ChipFinding | None:
    """Return what an intent says that a chip did, or what is wrong with it; None: nothing.

    The only proof of a group has to prove all that moves on its only card.
    """
    movements = on_cards(intent)
    proofs = [placed for placed in movements if placed.part.proof is not None]
    if not proofs:
        return None
    if len(proofs) > 1:
        return ChipFinding("unreadable", b"", 0, f"{proofs[1].path}proof")
    for path, part in movements:
        if part.card != intent.card:
            return ChipFinding("unreadable", b"", 0, f"{path}card")
    ((path, part),) = proofs
    assert part.proof is not None
    return _Claim(part, part.proof, path, sum(change_rp(each) for _, each in movements))
