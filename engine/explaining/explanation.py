"""Explaining an entry: what came in, which rules were tried, what was rejected, what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from engine.accounts import OWED, AccountKind, purse_of
from engine.card import Granted
from engine.explaining.ride import before_ride, explain_ride
from engine.explaining.sentences import PARTS, Part, Rupiah, Said, When
from engine.fares.state import Kept
from engine.law import Law
from engine.transaction import Entry, Tap


class ExplainedLine(Struct, frozen=True, array_like=True, gc=False):
    """One line of an explanation.

    Attributes:
      part: of which.
      rule, article: what it speaks of; empty: of no rule of an instrument.
      text_id, text_en: it in Indonesian and in English.
    """

    part: Part
    rule: str
    article: str
    text_id: str
    text_en: str


def explain(
    entry: Entry, kept: Kept, grants: Sequence[Granted], law: Law
) -> tuple[ExplainedLine, ...]:
    """Return why an entry is as it is.

    Args:
      entry: of the journal.
      kept: the taps of its card before it.
      grants: what the card was entitled to.
      law: what it was decided by.
    """
    cited = _cited(entry, law)
    lines = [_line(each, law) for each in _came_in(entry)]
    lines += [cited] if cited else []
    intent = entry.intent
    if isinstance(intent, Tap) and intent.service:
        rated = entry.rating is not None
        said = list(
            explain_ride(entry, kept, grants, law.tariffs) if rated else before_ride(kept.rating)
        )
        if rated and not any(each.part == "cheaper" for each in said):
            said.append(Said("cheaper", "", "cheaper_none", {}))
        lines += [_line(each, law) for each in said]
    lines += [_line(each, law) for each in _outcome(entry)]
    return tuple(sorted(lines, key=lambda line: PARTS.index(line.part)))


def _line(said: Said, law: Law) -> ExplainedLine:
    article = law.articles.get(said.rule, "")
    return ExplainedLine(said.part, said.rule, article, said.in_indonesian(), said.in_english())


def _cited(entry: Entry, law: Law) -> ExplainedLine | None:
    """Return the line of the rule that the entry cites, in its own words."""
    version = law.rulebook.cited(entry.rule)
    if version is None:
        return None
    rule = version.rule
    return ExplainedLine("tried", entry.rule, law.articles[entry.rule], rule.says_id, rule.says_en)


def _came_in(entry: Entry) -> Iterator[Said]:
    intent = entry.intent
    if isinstance(intent, Tap):
        words: dict[str, object] = {
            "direction": intent.direction,
            "service": intent.service or "-",
            "place": intent.place or "-",
            "at": When(entry.at_ms),
            "operator": intent.operator,
        }
        yield Said("input", "", "tap", words)
        if intent.proof is not None and not entry.unproved:
            yield Said("input", "", "chip_paid", {"amount": Rupiah(intent.amount_rp)})
        yield from _found_of_proof(entry)
        return
    words = {
        "kind": str(intent.__struct_config__.tag),
        "terminal": entry.terminal,
        "counter": entry.counter,
        "at": When(entry.at_ms),
    }
    yield Said("input", "", "intent", words)
    yield from _found_of_proof(entry)


def _found_of_proof(entry: Entry) -> Iterator[Said]:
    if entry.chip is None:
        return
    words: dict[str, object] = {"counter": entry.chip.counter, "field": entry.chip.field}
    yield Said("input", "", f"proof_{entry.chip.finding}", words)


def _outcome(entry: Entry) -> Iterator[Said]:
    if entry.reason:
        words: dict[str, object] = {"reason": entry.reason.value, "detail": entry.detail or "-"}
        yield Said("outcome", entry.rule, "refused", words)
        return
    for reason in entry.exceptions:
        yield Said("outcome", entry.rule, "exception", {"reason": reason.value})
    if entry.chip is not None and entry.chip.blocks:
        yield Said("outcome", entry.rule, "chip_blocks", {})
    if not entry.postings:
        yield Said("outcome", "", "nothing_moved", {})
    for kind, owner, amount_rp in entry.postings:
        purse = purse_of((kind, owner, amount_rp))
        if purse is None:
            words = {"account": AccountKind(kind).name.lower(), "owner": owner}
            yield Said("outcome", "", "others", {**words, "amount": Rupiah(amount_rp)})
        elif purse[1] == OWED:
            key = "owed" if amount_rp > 0 else "owes"
            yield Said("outcome", "", key, {"amount": Rupiah(abs(amount_rp))})
        else:
            key = "card_pays" if amount_rp < 0 else "card_gets"
            yield Said("outcome", "", key, {"amount": Rupiah(abs(amount_rp))})
    yield Said("outcome", "", "posted", {"amount": Rupiah(entry.balance_rp)})
