"""Section 5, taps that name their service: what a ride costs, whenever its taps come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ops.conformance.errors import check, check_equal
from ops.conformance.kit import Kit
from ops.conformance.peer import Fields, Peer, told
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(5, "Transactions", mark="r")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
PROOF: Final = b"\x0a\x0b\x0c"
MINUTE_MS: Final = 60_000
LRT: Final = "lrt_jakarta"
LRT_RP: Final = 5_000
MRT: Final = "mrt"


def ride_tap(
    card: str,
    direction: str,
    service: str = LRT,
    place: str = "Velodrome",
    amount_rp: int = 0,
    proof: bytes | None = None,
) -> list[Any]:
    """Return a tap that names its service."""
    return ["tap", card, amount_rp, "lrtj", direction, place, "", "", proof, service]


async def tapped(peer: Peer, *taps: tuple[int, Sequence[Any]]) -> list[Fields]:
    """Submit taps, each some milliseconds before or after the clock of the node."""
    now_ms = peer.ready["server_time_ms"]
    return await peer.submit_all(
        [[peer.take_counter(), now_ms + since_ms, list(tap)] for since_ms, tap in taps]
    )


def check_refused(outcome: Fields, reason: str) -> None:
    """Check that a tap was refused for a reason, by a rule."""
    check_equal("the result", (outcome["result"], outcome["reason"]), ("refused", reason))
    check(outcome["rule"], f"no rule is named for {reason}")


@SECTION.rule("It pays what the tap adds, or is refused:")
async def _a_ride_is_paid_at_its_end(kit: Kit) -> None:
    card = await kit.card(20_000)
    async with kit.session() as peer:
        first, last = await tapped(
            peer, (-20 * MINUTE_MS, ride_tap(card, "in")), (0, ride_tap(card, "out"))
        )
    check_equal("after the tap-in", (first["result"], first["balance_rp"]), ("posted", 20_000))
    check_equal("after the ride", last["balance_rp"], 20_000 - LRT_RP)
    check(last["rule"].startswith("fare."), f"the rule of a fare, not {last['rule']}")
    check(last["article"], "the article of the fare is not told")


@SECTION.rule("An authorisation carries no amount.")
async def _an_amount_is_not_for_the_terminal_to_say(kit: Kit) -> None:
    card = await kit.card(20_000)
    async with kit.session() as peer:
        (outcome,) = await tapped(peer, (0, ride_tap(card, "in", amount_rp=LRT_RP)))
    check_refused(outcome, "amount_decided")


@SECTION.rule("as `journey_open` where the last ride was not")
async def _who_did_not_tap_out_is_let_in_after_a_reset(kit: Kit) -> None:
    card = await kit.card(20_000)
    async with kit.session() as peer:
        _, handed, again, reset, then = await tapped(
            peer,
            (-60 * MINUTE_MS, ride_tap(card, "in")),
            (-59 * MINUTE_MS, ride_tap(card, "in")),
            (-30 * MINUTE_MS, ride_tap(card, "in", place="Pulomas")),
            (-29 * MINUTE_MS, ride_tap(card, "reset", place="Pulomas")),
            (-28 * MINUTE_MS, ride_tap(card, "in", place="Pulomas")),
        )
    check_refused(handed, "passback")
    check_refused(again, "journey_open")
    check_equal("after the reset", reset["balance_rp"], 20_000 - LRT_RP)
    check_equal("the tap-in after it", then["result"], "posted")


@SECTION.rule("What that is above the price is owed to the card (account 11), and what it is below")
async def _what_a_chip_paid_too_much_is_owed(kit: Kit) -> None:
    card = await kit.card(20_000, medium="stored")
    async with kit.session() as peer:
        await tapped(
            peer,
            (-20 * MINUTE_MS, ride_tap(card, "in", amount_rp=LRT_RP, proof=PROOF)),
            (0, ride_tap(card, "out", amount_rp=LRT_RP, proof=PROOF)),
        )
        owed = await peer.answer("balance", 11, card)
        purse = await peer.answer("balance", 1, card)
    check_equal("what is owed", owed["balance_rp"], LRT_RP)
    check_equal("what is on the card", purse["balance_rp"], 20_000 - 2 * LRT_RP)


@SECTION.rule(
    "So one that comes late may cost more or less than by itself, or give something back;",
    limits=("kept_taps", "package_rides_max"),
)
async def _late_taps_cost_the_same_in_the_end(kit: Kit) -> None:
    taps: list[tuple[int, str, str]] = []
    for ride in range(LIMITS["package_rides_max"] // 4):
        origin, destination = ("Blok M", "Senayan") if ride % 2 else ("Senayan", "Blok M")
        taps.append((2 * ride, "in", origin))
        taps.append((2 * ride + 1, "out", destination))
    balances = []
    for order in (taps, list(reversed(taps))):
        card = await kit.card(100_000, medium="stored")
        async with kit.session() as peer:
            sent = [
                (-60 * MINUTE_MS + at * MINUTE_MS, ride_tap(card, direction, MRT, place, 0, PROOF))
                for at, direction, place in order
            ]
            for tap in sent:
                await tapped(peer, tap)
            balances.append((await peer.answer("balance", 11, card))["balance_rp"])
    check_equal("what is owed for the same rides", balances[1], balances[0])
    check(balances[0] < 0, "rides that no chip has paid are owed by the card")


@SECTION.rule(
    "it comes after a month, or after eight or more later taps of the card (`too_late`)",
    limits=("tap_late_ms_max",),
)
async def _a_tap_that_comes_too_late_is_not_rated(kit: Kit) -> None:
    card = await kit.card(100_000)
    async with kit.session() as peer:
        too_old = -LIMITS["tap_late_ms_max"] - 10 * MINUTE_MS
        (old,) = await tapped(peer, (too_old, ride_tap(card, "in")))
        check_refused(old, "too_late")
        many = 2 * LIMITS["kept_taps"]
        taps = [
            (-(many - at) * MINUTE_MS, ride_tap(card, "in" if at % 2 == 0 else "out"))
            for at in range(many)
        ]
        for outcome in await tapped(peer, *taps):
            check_equal(f"a tap: {told(outcome)}", outcome["result"], "posted")
        (behind,) = await tapped(peer, (-many * MINUTE_MS - MINUTE_MS, ride_tap(card, "in")))
        check_refused(behind, "too_late")


@SECTION.rule("its time is ahead of the node's clock", limits=("tap_ahead_ms_max",))
async def _a_tap_of_the_future_is_not_rated(kit: Kit) -> None:
    card = await kit.card(100_000, medium="stored")
    ahead_ms = LIMITS["tap_ahead_ms_max"] + 10 * MINUTE_MS
    async with kit.session() as peer:
        tap = ride_tap(card, "out", amount_rp=700, proof=PROOF)
        (outcome,) = await tapped(peer, (ahead_ms, tap))
    check_equal("its exceptions", outcome["exceptions"], ["clock_ahead"])
    check_equal("what it moved", outcome["balance_rp"], 100_000 - 700)


@SECTION.rule("no rule has a fare for the service")
async def _a_service_or_a_place_without_a_fare_is_refused(kit: Kit) -> None:
    card = await kit.card(100_000)
    async with kit.session() as peer:
        service, place, group = await tapped(
            peer,
            (0, ride_tap(card, "in", "camel")),
            (0, ride_tap(card, "in", MRT, "Monas")),
            (0, ["group", [ride_tap(card, "in")]]),
        )
    check_refused(service, "fare_unknown")
    check_refused(place, "place_unknown")
    check_refused(group, "tap_in_group")
    check_equal("the field", group["detail"], "parts[0].service")
