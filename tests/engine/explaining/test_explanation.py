"""Explanations: of each way that a tap may be priced, and of what is refused."""

from __future__ import annotations

import string
from typing import Final

import pytest
from msgspec.structs import replace

from engine.card import Granted
from engine.chips import ChipCounts, ChipFinding, Finding
from engine.explaining.explanation import ExplainedLine, explain
from engine.explaining.sentences import PARTS, SENTENCES, Rupiah, Said, When
from engine.fares.network import Network
from engine.fares.state import NO_TAPS
from engine.fares.tariff import Tariffs
from engine.law import Law, law_of
from engine.rules.rulebook import Rulebook
from engine.transaction import Entry, Group, Purchase, Tap, TopUp
from tests.engine.decisions.test_rides import BRT, PROOF, Riding
from tests.engine.fares.test_rating import ELDERLY, JOURNEYS
from tests.engine.fares.test_ride import Along, at
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import RULEBOOK

NETWORK: Final[Network] = Along()
HERE: Final[Law] = law_of(RULEBOOK, NETWORK)


class Told:
    """The lines of an explanation, by their parts."""

    def __init__(self, lines: tuple[ExplainedLine, ...]) -> None:
        assert [line.part for line in lines] == sorted(
            (line.part for line in lines), key=PARTS.index
        )
        self.lines = lines

    def english(self, part: str) -> list[str]:
        """Return what is said of a part, in English."""
        return [line.text_en for line in self.lines if line.part == part]

    def rules(self, part: str) -> list[str]:
        """Return the rules that a part speaks of."""
        return [line.rule.partition("@")[0] for line in self.lines if line.part == part]


def told(riding: Riding, entry: Entry, law: Law = HERE, *grants: Granted) -> Told:
    """Explain the last entry of a card, as it was before it."""
    before = Riding(riding.tariffs)
    before.now_ms = riding.now_ms
    for each in riding.entries[len(before.entries) : riding.entries.index(entry)]:
        before.post(each)
    card = before.cards.get(entry.intent.card)
    assert card is not None
    return Told(explain(entry, card.kept, grants, law))


def test_a_ride_tells_its_fare_what_did_not_hold_and_what_would_have_been_cheaper() -> None:
    riding = Riding()
    riding.tap("in")
    found = told(riding, riding.tap("out", "4000"))
    assert found.english("input") == [
        "A tap out at 4000, transjakarta_brt, 2024-07-03 08:20:00, operator transjakarta.",
        "A ride on transjakarta_brt from 0, since 2024-07-03 08:00:00, was open.",
    ]
    assert found.english("tried")[1:] == ["The ride from 0 to 4000 costs Rp3,500 ()."]
    assert found.english("rejected") == [
        "The integrated fare: no ride of another mode within 180 minutes before.",
        "Free for certain groups: this card has no grant of free_ride.",
        "Rp2,000 holds only 05:00-07:00; the ride began 2024-07-03 08:00:00.",
    ]
    assert found.english("outcome") == [
        "The card pays Rp3,500.",
        "operator_revenue transjakarta: Rp3,500.",
        "Posted; the balance after it is Rp46,500.",
    ]
    assert found.english("cheaper") == [
        "Members of the groups that are entitled pay nothing (free_ride).",
        "A ride that begins 05:00-07:00 costs Rp2,000.",
    ]
    fare = next(line for line in found.lines if line.rule.startswith("fare.transjakarta"))
    assert fare.article.startswith("Keputusan Gubernur") or fare.article
    assert "Rp3.500" in next(line.text_id for line in found.lines if "tarifnya" in line.text_id)


def test_a_tap_in_tells_where_the_card_stood_and_that_its_fare_comes_later() -> None:
    riding = Riding()
    found = told(riding, riding.tap("in"))
    assert found.english("input")[1:] == ["No ride was open."]
    assert found.english("tried")[1:] == ["A ride begins; its fare is paid at its end."]
    assert found.english("outcome") == [
        "No money moved.",
        "Posted; the balance after it is Rp50,000.",
    ]
    assert found.english("cheaper") == ["By the rules of that day nothing would have been cheaper."]


def test_two_modes_tell_of_their_package_and_of_rides_apart_where_those_are_cheaper() -> None:
    riding = Riding()
    riding.tap("in", "0", service="lrt_jakarta")
    riding.tap("out", "30000", service="lrt_jakarta")
    riding.tap("in")
    found = told(riding, riding.tap("out", "4000"))
    assert "A package of rides since 2024-07-03 08:00:00: 1 of them" in found.english("input")[2]
    assert any("the integrated fare holds, Rp10,000" in text for text in found.english("tried"))
    assert "As rides apart they would have cost Rp8,500." in found.english("cheaper")
    riding.wait(4 * 3_600_000)
    riding.tap("in", "0", service="lrt_jakarta")
    riding.tap("out", "100", service="lrt_jakarta")
    riding.tap("in")
    near = told(riding, riding.tap("out", "100"))
    assert any("the integrated fare holds, Rp2,750" in text for text in near.english("tried"))
    assert not any("apart" in text for text in near.english("cheaper"))


def test_a_ride_after_one_of_another_mode_where_one_may_not_change_says_so() -> None:
    riding = Riding()
    riding.tap("in", "0")
    riding.tap("out", "far")
    riding.tap("in", "away", service="lrt_jakarta")
    found = told(riding, riding.tap("out", "1", service="lrt_jakarta"))
    assert "The integrated fare: one may not change from far to away." in found.english("rejected")


@pytest.mark.parametrize(
    ("service", "when", "expected"),
    [
        ("krl", "2024-07-03 08:00", "The integrated fare does not cover krl."),
        (BRT, "2022-08-01 08:00", "The integrated fare was not in force on that day."),
    ],
)
def test_where_the_integrated_fare_does_not_reach_it_says_why(
    service: str, when: str, expected: str
) -> None:
    riding = Riding()
    riding.now_ms = at(when)
    riding.tap("in", service=service)
    assert expected in told(riding, riding.tap("out", "9", service=service)).english("rejected")


def test_a_missing_tap_out_tells_of_the_farthest_fare() -> None:
    riding = Riding()
    riding.tap("in", "Blok M", service="mrt")
    found = told(riding, riding.tap("reset", "Senayan", service="mrt"))
    assert "Only one end of a ride is known (Blok M): the farthest fare, Rp8,000." in (
        found.english("tried")
    )
    assert "With a tap-out its own fare is paid, and not the farthest." in found.english("cheaper")
    nothing = told(riding, riding.tap("reset", "Senayan", service="mrt"))
    assert nothing.english("tried") == ["There was no open ride to reset."]


def test_an_advice_tells_what_the_chip_paid_and_what_is_owed() -> None:
    riding = Riding()
    riding.tap("in", card="S", proof=PROOF)
    over = riding.tap("out", "4000", card="S", amount_rp=5_000, proof=PROOF)
    found = told(riding, over)
    assert "The chip had paid Rp5,000." in found.english("input")
    assert "The holder is owed Rp1,500." in found.english("outcome")
    under = riding.tap("out", "Blok M", service="mrt", card="S", amount_rp=100, proof=PROOF)
    assert "The holder still owes Rp7,900." in told(riding, under).english("outcome")


def test_a_second_tap_tells_that_it_is_the_first_one_again() -> None:
    riding = Riding()
    riding.tap("in", minutes=0.1)
    found = told(riding, riding.tap("in", minutes=20))
    assert found.english("tried") == ["The same tap within 10 seconds: it counts once."]


def test_a_ride_that_was_completed_tells_its_fare_and_that_another_begins() -> None:
    one = written("c", rule("journey.tap_out", "journey", JOURNEYS, since="2024-01-01"))
    law = law_of(Rulebook([*RULEBOOK.instruments, one]), NETWORK)
    riding = Riding(law.tariffs)
    riding.tap("in", "Blok M", service="mrt")
    found = told(riding, riding.tap("in", "Senayan", service="mrt"), law)
    assert found.english("tried")[-2:] == [
        "The ride from Blok M to Senayan costs Rp4,000 (from Blok M, to Senayan).",
        "A ride begins; its fare is paid at its end.",
    ]


def test_a_late_tap_tells_how_many_had_come_before_it() -> None:
    riding = Riding()
    began_ms = riding.now_ms
    riding.wait(1_200_000)
    riding.tap("out", "Senayan", service="mrt")
    late = riding.late(Tap("A", 0, "mrtj", "in", "Blok M", service="mrt"), began_ms)
    found = told(riding, late)
    assert any("It came after 1 later taps" in text for text in found.english("input"))
    assert "The card gets Rp6,000." in found.english("outcome")


def test_a_free_group_is_no_advice_where_nothing_was_paid() -> None:
    riding = Riding()
    riding.now_ms = at("2024-07-03 05:00")
    riding.tap("in", service="mikrotrans")
    found = told(riding, riding.tap("out", "4000", service="mikrotrans"))
    assert found.english("cheaper") == ["By the rules of that day nothing would have been cheaper."]
    riding.tap("in", minutes=20)
    early = told(riding, riding.tap("out", "4000"))
    assert not any("05:00-07:00" in text for text in early.english("rejected"))


def test_a_package_that_gives_back_advises_no_group() -> None:
    riding = Riding()
    riding.tap("in", "Lebak Bulus", service="mrt")
    riding.tap("out", "Bundaran HI", service="mrt")
    riding.tap("in")
    found = told(riding, riding.tap("out", "1000"))
    assert "The card gets Rp4,000." in found.english("outcome")
    assert not any("Members" in text for text in found.english("cheaper"))


def test_a_free_ride_tells_its_group_and_a_grant_of_other_days_why_not() -> None:
    riding = Riding()
    riding.tap("in")
    entry = riding.tap("out", "4000")
    free = told(riding, entry, HERE, ELDERLY)
    assert "As elderly: the fund of free_ride pays 100 per cent." in free.english("tried")
    over = Granted("free_ride", "elderly", "P", 1, 2)
    found = told(riding, entry, HERE, over).english("rejected")
    assert any("the grant of this card is from 1970-01-02 to 1970-01-03" in text for text in found)


def test_a_cap_that_was_reached_tells_who_pays_the_rest() -> None:
    figures = f'services = ["{BRT}"]\nprogramme = "cap"\nday_rp = 5_000'
    cap = written("cap", rule("cap", "fare_cap", figures))
    law = law_of(Rulebook([*RULEBOOK.instruments, cap]), NETWORK)
    riding = Riding(law.tariffs)
    riding.tap("in")
    riding.tap("out", "4000")
    riding.tap("in")
    entry = riding.tap("out", "4000")
    assert entry.rule.startswith("cap@")
    found = told(riding, entry, law)
    assert "The cap was reached: the fund of cap pays the rest." in found.english("tried")
    first = riding.entries[-4]
    assert not any("cap" in text for text in told(riding, first, law).english("tried"))


def test_a_refused_tap_tells_its_rule_and_the_ride_that_was_open() -> None:
    riding = Riding()
    riding.tap("in")
    found = told(riding, riding.tap("in", "4000"))
    assert any("from 0, since" in text for text in found.english("input"))
    assert found.rules("tried") == ["journey.tap_out"]
    assert found.english("outcome") == ["Refused: journey_open (card)."]


def test_other_transactions_tell_their_rule_and_their_postings() -> None:
    riding = Riding()
    refused = told(riding, riding.send(Purchase("A", 60_000, "shop")))
    assert refused.english("input") == ["A purchase of terminal T, number 5, 2024-07-03 08:00:00."]
    assert refused.rules("tried") == ["purse.unregistered"]
    assert refused.english("outcome") == ["Refused: below_floor (amount_rp)."]
    posted = told(riding, riding.send(TopUp("A", 10_000, "dki")))
    assert "The card gets Rp10,000." in posted.english("outcome")
    filed = told(riding, riding.send(Group((Purchase("S", 60_000, "shop", proof=PROOF),))))
    assert "Posted, and filed as an exception: below_floor." in filed.english("outcome")


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ("genuine", "The chip has proved it, as its transaction 7."),
        ("forged", "The proof does not fit (amount_rp)."),
        ("unreadable", "The proof cannot be read (amount_rp)."),
        ("unknown_key", "There is no key to check the proof with (amount_rp)."),
    ],
)
def test_an_advice_tells_what_was_found_of_its_proof(finding: Finding, text: str) -> None:
    riding = Riding()
    purchase = Purchase("S", 1, "shop", proof=PROOF)
    for intent in (purchase, Tap("S", 1, "mrtj", "in", proof=PROOF)):
        chip = ChipFinding(finding, b"uid", 7, "amount_rp")
        entry = riding.send(intent, chip=chip)
        assert text in told(riding, entry).english("input")
        paid = "The chip had paid Rp1." in told(riding, entry).english("input")
        assert paid is (finding == "genuine" and isinstance(intent, Tap))
        riding.book.chips[b"uid"] = ChipCounts()


def test_an_advice_tells_that_its_card_was_blocked() -> None:
    chip = ChipFinding("forged", b"uid", 7)
    entry = Riding().send(Purchase("S", 1, "shop", proof=PROOF), chip=chip)
    blocking = replace(entry, chip=replace(chip, blocks=True))
    said = Told(explain(blocking, NO_TAPS, (), HERE))
    assert "The card was blocked because of it." in said.english("outcome")


def test_every_sentence_has_the_same_gaps_in_both_languages() -> None:
    for key, texts in SENTENCES.items():
        gaps = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts
        ]
        assert gaps[0] == gaps[1], key


def test_amounts_and_times_are_written_as_each_language_does() -> None:
    said = Said("outcome", "", "card_pays", {"amount": Rupiah(-1_234_567)})
    assert said.in_indonesian() == "Kartu membayar -Rp1.234.567."
    assert said.in_english() == "The card pays -Rp1,234,567."
    when = Said("rejected", "", "outside_hours", {"amount": "x", "hours": "y", "at": When(0)})
    assert when.in_indonesian().endswith("mulai 1970-01-01 pukul 07:00:00.")


def test_tariffs_of_a_law_are_those_that_explain() -> None:
    assert isinstance(HERE.tariffs, Tariffs)
    assert HERE.rulebook.cited("fare.mrt@1999-01-01") is None
