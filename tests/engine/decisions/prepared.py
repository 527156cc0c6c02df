"""A ledger with one card for each state that a decision looks at."""

from __future__ import annotations

from engine.calendar import day_of
from engine.limits import HOLDS_PER_CARD_MAX, PURSES_PER_CARD_MAX
from engine.transaction import (
    Block,
    Close,
    Grant,
    Hold,
    Issue,
    MediumName,
    Post,
    Purchase,
    Replace,
    Reversal,
    Share,
    Tap,
    TopUp,
    Void,
)
from tests.engine.ledger import Ledger

HOUR_MS = 3600 * 1000
PROOF = b"mac"


def prepared() -> Ledger:
    """Return a ledger with these cards, each with Rp100 unless said otherwise.

    A active, with Rp60 of kjp and Rp30 of food; R registered, with Rp30 of rice, see below;
    S stored; D stored, in debt with Rp5; P poor: nothing on it; B blocked, with Rp60 of kjp;
    X closed; O replaced by N, with Rp200; U and V heard of through advices, at -5, V with Rp5 of
    kjp; H with Rp30 held; E with Rp30 left of Rp60 held; F with as many holds as fit; M with as
    many purses as fit; G poor: rides and kjp of the level sd are granted to ani for three days.
    """
    ledger = Ledger()
    for name in "ARSDPBXOHEFMG":
        medium: MediumName = "stored" if name in "SD" else "account"
        ledger.done(Issue(name, medium, "dki", registered=name == "R"))
    for name in "ARSBXOEFM":
        ledger.done(TopUp(name, 100, "dki"))
    ledger.send(TopUp("H", 100, "dki"), terminal="top-up")
    ledger.done(TopUp("A", 60, purse="kjp"), TopUp("A", 30, purse="food"))
    ledger.done(TopUp("R", 30, purse="rice"))
    ledger.done(TopUp("B", 60, purse="kjp"), Block("B", "lost"))
    ledger.send(Tap("D", 5, "tj", "in", proof=PROOF))
    for name in "UV":
        ledger.send(Tap(name, 5, "tj", "in", proof=PROOF))
    ledger.send(TopUp("V", 5, purse="kjp", proof=PROOF))
    for number in range(PURSES_PER_CARD_MAX):
        ledger.done(TopUp("M", 1, purse=f"programme-{number}"))
    today = day_of(ledger.now_ms)
    ledger.done(Grant("G", "ride", "elderly", "ani", today, today + 2))
    ledger.done(Grant("G", "kjp", "sd", "ani", today, today + 2))
    _hold(ledger)
    _end(ledger)
    _spend(ledger)
    return ledger


def _hold(ledger: Ledger) -> None:
    """Hold money for ("hold", 1), ("eaten", 1), and a payee that never was paid by "full"."""
    ledger.send(Hold("H", 30, "operator", "tj", HOUR_MS), terminal="hold")
    ledger.send(Hold("E", 60, "operator", "tj", HOUR_MS), terminal="eaten")
    ledger.send(Tap("E", 70, "tj", "in", proof=PROOF))
    for number in range(HOLDS_PER_CARD_MAX):
        ledger.send(Hold("F", 1 + number, "merchant", "kiosk", HOUR_MS), terminal="full")


def _end(ledger: Ledger) -> None:
    """Close X and replace O, after ("closed", 1) and ("replaced", 1) had paid with them."""
    ledger.send(Tap("X", 20, "tj", "in"), terminal="closed")
    ledger.send(Tap("O", 20, "tj", "in"), terminal="replaced")
    ledger.done(Close("X"), Replace("O", "N"), TopUp("N", 120, "dki"))


def _spend(ledger: Ledger) -> None:
    """Post what returns may refer to, by terminals named after it; R has Rp35 left of Rp100.

    Of the Rp100 that R may spend in a day Rp65 are spent.
    """
    ledger.send(Tap("R", 40, "tj", "out"), terminal="tap")
    ledger.send(Purchase("R", 10, "shop"), terminal="purchase")
    ledger.send(Share("tj", "mrt", 7), terminal="share")
    ledger.send(Tap("R", 0, "tj", "in"), terminal="free")
    ledger.send(Tap("R", 4000, "tj", "in"), terminal="refused")
    ledger.send(Tap("R", 5, "tj", "in"), terminal="undone")
    ledger.done(Reversal("undone", 1))
    ledger.send(Hold("R", 20, "operator", "tj", HOUR_MS), terminal="taken")
    ledger.done(Post("R", "taken", 1, 15))
    ledger.send(Hold("R", 20, "operator", "tj", HOUR_MS), terminal="voided")
    ledger.done(Void("R", "voided", 1))
    ledger.send(Hold("R", 20, "operator", "tj", 1), terminal="late")
    ledger.wait(1)
