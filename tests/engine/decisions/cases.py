"""Every refusal of every kind of intent, on the prepared ledger."""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.accounts import (
    BANK_SETTLEMENT,
    FEES,
    FLOAT,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    PURSE,
)
from engine.calendar import day_of
from engine.limits import BALANCE_RP_MAX, NAME_LENGTH_MAX
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Grant,
    Group,
    Hold,
    Identify,
    Intent,
    Issue,
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
    Unblock,
    Void,
    Withdrawal,
)
from tests.engine.ledger import NOON


class Case(NamedTuple):
    """An intent, and how it is refused."""

    intent: Intent
    reason: str
    rule: str
    detail: str
    balance_rp: int = 0


STATUS: Final = "card.status"
PLAIN: Final = "test.unregistered"
FUNDS: Final = "funds.apart"
NAME: Final = "account.name"
RETURN: Final = "return.once"
RIDE: Final = "test.ride@2019-01-01"
TODAY: Final = day_of(NOON)

TAPS: Final = [
    Case(Tap("nobody", 5, "tj", "in"), "card_unknown", STATUS, "card"),
    Case(Tap("A B", 5, "tj", "in"), "card_unknown", STATUS, "card"),
    Case(Tap("U", 5, "tj", "in"), "card_unknown", STATUS, "card", -5),
    Case(Tap("B", 5, "tj", "in"), "card_blocked", STATUS, "card", 100),
    Case(Tap("B", 5, "tj", "in", purse="kjp"), "card_blocked", STATUS, "card", 60),
    Case(Tap("X", 5, "tj", "in"), "card_closed", STATUS, "card"),
    Case(Tap("O", 5, "tj", "in"), "card_replaced", STATUS, "card"),
    Case(Tap("S", 5, "tj", "in"), "medium_is_stored", "card.medium", "proof", 100),
    Case(Tap("A", 5, "tj", "in", purse="bus"), "purse_unknown", STATUS, "purse"),
    Case(Tap("A", 5, "t j", "in"), "account_name", NAME, "operator", 100),
    Case(Tap("A", 5, "new", "in"), "account_limit", NAME, "operator", 100),
    Case(Tap("A", 101, "tj", "in"), "below_floor", PLAIN, "amount_rp", 100),
    Case(Tap("H", 71, "tj", "in"), "below_floor", PLAIN, "amount_rp", 100),
    Case(Tap("A", 61, "tj", "in", purse="kjp"), "below_floor", "test.programme", "amount_rp", 60),
    Case(Tap("R", 36, "tj", "in"), "day_limit", "test.registered", "amount_rp", 35),
    Case(Tap("R", 21, "tj", "in", purse="rice"), "month_limit", "test.rice", "amount_rp", 30),
]
PURCHASES: Final = [
    Case(Purchase("nobody", 5, "shop"), "card_unknown", STATUS, "card"),
    Case(Purchase("B", 5, "shop"), "card_blocked", STATUS, "card", 100),
    Case(Purchase("X", 5, "shop"), "card_closed", STATUS, "card"),
    Case(Purchase("O", 5, "shop"), "card_replaced", STATUS, "card"),
    Case(Purchase("S", 5, "shop"), "medium_is_stored", "card.medium", "proof", 100),
    Case(Purchase("A", 5, "shop", purse="bus"), "purse_unknown", STATUS, "purse"),
    Case(Purchase("A", 5, "sh*p"), "account_name", NAME, "merchant", 100),
    Case(Purchase("A", 5, "new"), "account_limit", NAME, "merchant", 100),
    Case(Purchase("A", 101, "shop"), "below_floor", PLAIN, "amount_rp", 100),
    Case(Purchase("R", 36, "shop"), "day_limit", "test.registered", "amount_rp", 35),
    Case(Purchase("R", 21, "shop", purse="rice"), "month_limit", "test.rice", "amount_rp", 30),
]
TOP_UPS: Final = [
    Case(TopUp("nobody", 5, "dki"), "card_unknown", STATUS, "card"),
    Case(TopUp("A B", 5, "dki"), "card_unknown", STATUS, "card"),
    Case(TopUp("U", 5, "dki"), "card_unknown", STATUS, "card", -5),
    Case(TopUp("B", 5, "dki"), "card_blocked", STATUS, "card", 100),
    Case(TopUp("X", 5, "dki"), "card_closed", STATUS, "card"),
    Case(TopUp("O", 5, "dki"), "card_replaced", STATUS, "card"),
    Case(TopUp("A", 5, "dki", 1, purse="kjp"), "funds_mixed", FUNDS, "fee_rp", 60),
    Case(TopUp("A", 5, "dki", 0, "bank", "kjp"), "funds_mixed", FUNDS, "leg", 60),
    Case(TopUp("M", 5, purse="one-more"), "purse_limit", STATUS, "purse"),
    Case(TopUp("A", 5, purse="k p"), "account_name", NAME, "purse"),
    Case(TopUp("A", 60, "dki", 4), "fee_too_high", "test.on_us@2019-01-01", "fee_rp", 100),
    Case(TopUp("A", 61, "dki", 5), "fee_too_high", "test.on_us@2019-01-01", "fee_rp", 100),
    Case(TopUp("A", 5, "bca", 6), "fee_too_high", "test.off_us@2019-01-01", "fee_rp", 100),
    Case(TopUp("A", 5, "dki", 4, "bank"), "fee_too_high", "test.on_us@2019-01-01", "fee_rp", 100),
    Case(TopUp("A", 5, ""), "account_name", NAME, "bank", 100),
    Case(TopUp("A", 5, "d/i", leg="bank"), "account_name", NAME, "bank", 100),
    Case(TopUp("A", 5, "new"), "account_limit", NAME, "bank", 100),
    Case(TopUp("A", 5, "dki", leg="bank"), "account_limit", NAME, "bank", 100),
    Case(TopUp("A", 5, "dki", leg="chip"), "account_limit", NAME, "bank", 100),
    Case(TopUp("A", 5, purse="new"), "account_limit", NAME, "purse"),
    Case(TopUp("A", 101, "dki"), "above_ceiling", PLAIN, "amount_rp", 100),
    Case(TopUp("A", 101, "dki", leg="bank"), "above_ceiling", PLAIN, "amount_rp", 100),
    Case(TopUp("A", 61, purse="food"), "above_ceiling", "test.food", "amount_rp", 30),
    Case(TopUp("G", 91, purse="kjp"), "above_allowance", "test.sd@2019-01-01", "amount_rp"),
    Case(TopUp("R", 21, purse="rice"), "receive_limit", "test.rice", "amount_rp", 30),
]
BETWEEN: Final = [
    Case(Subsidy("k p", "tj", 5), "account_name", NAME, "programme"),
    Case(Subsidy("kjp", "t j", 5), "account_name", NAME, "operator"),
    Case(Subsidy("new", "tj", 5), "account_limit", NAME, "programme"),
    Case(Share("t j", "mrt", 5), "account_name", NAME, "operator"),
    Case(Share("tj", "m t", 5), "account_name", NAME, "to_operator"),
    Case(Share("tj", "new", 5), "account_limit", NAME, "to_operator"),
]
GROUPS: Final = [
    Case(Group((Tap("A", 5, "tj", "in"), Tap("R", 5, "tj", "in"))), "group_cards", FUNDS, "parts"),
    *(
        case._replace(intent=Group((case.intent,)), detail=f"parts[0].{case.detail}")
        for case in [*TAPS, *PURCHASES, *TOP_UPS, *BETWEEN]
        if isinstance(case.intent, Tap | Purchase | TopUp | Subsidy | Share)
    ),
]
HOLDS: Final = [
    Case(Hold("nobody", 5, "operator", "tj", 1), "card_unknown", STATUS, "card"),
    Case(Hold("B", 5, "operator", "tj", 1), "card_blocked", STATUS, "card", 100),
    Case(Hold("X", 5, "operator", "tj", 1), "card_closed", STATUS, "card"),
    Case(Hold("O", 5, "operator", "tj", 1), "card_replaced", STATUS, "card"),
    Case(Hold("S", 5, "operator", "tj", 1), "medium_is_stored", "card.medium", "proof", 100),
    Case(Hold("A", 5, "operator", "tj", 1, "bus"), "purse_unknown", STATUS, "purse"),
    Case(Hold("A", 5, "merchant", "s/p", 1), "account_name", NAME, "payee_name", 100),
    Case(Hold("A", 5, "operator", "new", 1), "account_limit", NAME, "payee_name", 100),
    Case(Hold("H", 71, "operator", "tj", 1), "below_floor", PLAIN, "amount_rp", 100),
    Case(Hold("R", 36, "operator", "tj", 1), "day_limit", "test.registered", "amount_rp", 35),
    Case(Hold("R", 21, "operator", "tj", 1, "rice"), "month_limit", "test.rice", "amount_rp", 30),
    Case(Hold("F", 1, "operator", "tj", 1), "too_many_holds", "hold", "card", 100),
    Case(Post("nobody", "hold", 1, 5), "card_unknown", STATUS, "card"),
    Case(Post("H", "nobody", 1, 5), "hold_unknown", "hold", "counter", 100),
    Case(Post("R", "taken", 1, 5), "hold_unknown", "hold", "counter", 35),
    Case(Post("R", "voided", 1, 5), "hold_unknown", "hold", "counter", 35),
    Case(Post("R", "late", 1, 5), "hold_expired", "hold", "counter", 35),
    Case(Post("H", "hold", 1, 31), "amount_exceeded", "hold", "amount_rp", 100),
    Case(Post("E", "eaten", 1, 31), "below_floor", PLAIN, "amount_rp", 30),
    Case(Post("F", "full", 1, 1), "account_limit", NAME, "", 100),
    Case(Void("nobody", "hold", 1), "card_unknown", STATUS, "card"),
    Case(Void("R", "hold", 1), "hold_unknown", "hold", "counter", 35),
    Case(Void("R", "late", 1), "hold_expired", "hold", "counter", 35),
]
WITHDRAWALS: Final = [
    Case(Withdrawal("nobody", 5, "dki"), "card_unknown", STATUS, "card"),
    Case(Withdrawal("B", 5, "dki"), "card_blocked", STATUS, "card", 100),
    Case(Withdrawal("X", 5, "dki"), "card_closed", STATUS, "card"),
    Case(Withdrawal("O", 5, "dki"), "card_replaced", STATUS, "card"),
    Case(Withdrawal("S", 5, "dki"), "medium_is_stored", "card.medium", "proof", 100),
    Case(Withdrawal("R", 5, "dki", "bus"), "purse_unknown", STATUS, "purse"),
    Case(Withdrawal("R", 5, "d/i"), "account_name", NAME, "bank", 35),
    Case(Withdrawal("R", 5, "new"), "account_limit", NAME, "bank", 35),
    Case(Withdrawal("R", 56, "dki"), "below_floor", "test.registered", "amount_rp", 35),
    Case(Withdrawal("R", 36, "dki"), "day_limit", "test.registered", "amount_rp", 35),
    Case(Withdrawal("R", 21, "dki", "rice"), "month_limit", "test.rice", "amount_rp", 30),
    Case(Withdrawal("A", 5, "dki"), "not_registered", PLAIN, "card", 100),
    Case(Withdrawal("A", 5, "dki", "food"), "cash_limit", "cash", "purse", 30),
]
RETURNS: Final = [
    Case(Reversal("nobody", 1), "original_unknown", RETURN, "counter"),
    Case(Reversal("free", 1), "not_returnable", RETURN, "counter"),
    Case(Reversal("refused", 1), "not_returnable", RETURN, "counter"),
    Case(Reversal("hold", 1), "not_returnable", RETURN, "counter"),
    Case(Reversal("undone", 1), "amount_exceeded", RETURN, "counter"),
    Case(Reversal("closed", 1), "card_closed", STATUS, ""),
    Case(Reversal("replaced", 1), "above_ceiling", PLAIN, "", 200),
    Case(Reversal("top-up", 1), "below_floor", PLAIN, "", 100),
    Case(Refund("nobody", 1, 5), "original_unknown", RETURN, "counter"),
    Case(Refund("free", 1, 5), "not_returnable", RETURN, "counter"),
    Case(Refund("refused", 1, 5), "not_returnable", RETURN, "counter"),
    Case(Refund("share", 1, 5), "not_returnable", RETURN, "counter"),
    Case(Refund("top-up", 1, 5), "not_returnable", RETURN, "counter"),
    Case(Refund("tap", 1, 41), "amount_exceeded", RETURN, "amount_rp"),
    Case(Refund("undone", 1, 1), "amount_exceeded", RETURN, "amount_rp"),
    Case(Refund("closed", 1, 5), "card_closed", STATUS, ""),
    Case(Refund("replaced", 1, 5), "above_ceiling", PLAIN, "", 200),
]


def _adjust(card: str, *lines: tuple[int, str, int]) -> Adjustment:
    return Adjustment("wati", "complaint 7", lines, card)


ADJUSTMENTS: Final = [
    Case(_adjust("", (FEES, "a", 5), (FEES, "b", -4)), "not_balanced", FUNDS, "lines"),
    Case(_adjust("", (FEES, "a", 5), (PROGRAMME_FUND, "kjp", -5)), "funds_mixed", FUNDS, "lines"),
    Case(
        _adjust("A", (OPERATOR_REVENUE, "tj", -5), (PURSE, "A", 2), (FLOAT, "dki", 3)),
        *("funds_mixed", FUNDS, "lines"),
    ),
    Case(_adjust("nobody", (FEES, "a", 5), (FEES, "b", -5)), "card_unknown", STATUS, "card"),
    Case(_adjust("", (FEES, "a", 5), (PURSE, "A", -5)), "card_unknown", NAME, "lines[1]"),
    Case(_adjust("A", (PURSE, "A", 5), (PURSE, "R", -5)), "card_unknown", NAME, "lines[1]"),
    Case(
        _adjust("A", (PROGRAMME_PURSE, "A/kjp", 5), (PROGRAMME_PURSE, "A/bus", -5)),
        *("purse_unknown", NAME, "lines[1]"),
    ),
    *(
        Case(
            _adjust("A", (PROGRAMME_PURSE, owner, 5), (PROGRAMME_FUND, "kjp", -5)),
            *("purse_unknown", NAME, "lines[0]"),
        )
        for owner in ("A", "A/")
    ),
    Case(_adjust("", (FEES, "a", 5), (FEES, "*", -5)), "account_name", NAME, "lines[1]"),
    Case(
        _adjust("", (FEES, "n" * NAME_LENGTH_MAX, 5), (FEES, "n" * (NAME_LENGTH_MAX + 1), -5)),
        *("account_name", NAME, "lines[1]"),
    ),
    Case(
        _adjust("", (OPERATOR_REVENUE, "tj", 5), (FEES, "new", -5)),
        *("account_limit", NAME, "lines[1]"),
    ),
    Case(
        _adjust("", (FEES, "a", BALANCE_RP_MAX + 1), (FEES, "b", -BALANCE_RP_MAX - 1)),
        *("amount_exceeded", FUNDS, "lines"),
    ),
    Case(
        _adjust("H", (PURSE, "H", -71), (OPERATOR_REVENUE, "tj", 71)), "below_floor", PLAIN, "", 100
    ),
    Case(
        _adjust("A", (PURSE, "A", 101), (OPERATOR_REVENUE, "tj", -101)),
        *("above_ceiling", PLAIN, "", 100),
    ),
    Case(_adjust("X", (PURSE, "X", 1), (OPERATOR_REVENUE, "tj", -1)), "card_closed", STATUS, ""),
    Case(_adjust("O", (PURSE, "O", 1), (BANK_SETTLEMENT, "dki", -1)), "card_replaced", STATUS, ""),
]
LIVES: Final = [
    Case(Issue("A B", "account", "dki"), "account_name", NAME, "card"),
    Case(Issue("new", "account", "d i"), "account_name", NAME, "bank"),
    Case(Issue("new", "account", "new"), "account_limit", NAME, "bank"),
    Case(Issue("A", "account", "dki"), "card_exists", STATUS, "card", 100),
    Case(Issue("X", "account", "dki"), "card_exists", STATUS, "card"),
    Case(Block("nobody", "x"), "card_unknown", STATUS, "card"),
    Case(Block("U", "x"), "card_unknown", STATUS, "card", -5),
    Case(Block("B", "x"), "card_blocked", STATUS, "card", 100),
    Case(Block("X", "x"), "card_closed", STATUS, "card"),
    Case(Block("O", "x"), "card_replaced", STATUS, "card"),
    Case(Unblock("nobody", "x"), "card_unknown", STATUS, "card"),
    Case(Unblock("A", "x"), "card_not_blocked", STATUS, "card", 100),
    Case(Unblock("X", "x"), "card_closed", STATUS, "card"),
    Case(Unblock("O", "x"), "card_replaced", STATUS, "card"),
    Case(Identify("nobody", "ani"), "card_unknown", STATUS, "card"),
    Case(Identify("U", "ani"), "card_unknown", STATUS, "card", -5),
    Case(Identify("X", "ani"), "card_closed", STATUS, "card"),
    Case(Identify("O", "ani"), "card_replaced", STATUS, "card"),
    Case(Identify("A", "a/i"), "account_name", NAME, "holder", 100),
    Case(Identify("R", "ani"), "card_registered", STATUS, "card", 35),
    Case(Replace("nobody", "new"), "card_unknown", STATUS, "card"),
    Case(Replace("U", "new"), "card_unknown", STATUS, "card", -5),
    Case(Replace("X", "new"), "card_closed", STATUS, "card"),
    Case(Replace("O", "new"), "card_replaced", STATUS, "card"),
    Case(Replace("A", "n/w"), "account_name", NAME, "new_card", 100),
    Case(Replace("A", "R"), "card_exists", STATUS, "new_card", 100),
    Case(Replace("M", "V"), "purse_limit", STATUS, "new_card", 100),
    Case(Replace("A", "A"), "card_exists", STATUS, "new_card", 100),
    Case(Close("nobody"), "card_unknown", STATUS, "card"),
    Case(Close("X"), "card_closed", STATUS, "card"),
    Case(Close("O"), "card_replaced", STATUS, "card"),
    Case(Close("H"), "holds_open", "hold", "card", 100),
    Case(Close("D"), "below_floor", STATUS, "card", -5),
]
GRANTS: Final = [
    *(
        Case(Grant(card, "ride", "elderly", "budi", TODAY, TODAY), reason, STATUS, "card", rp)
        for card, reason, rp in (
            *(("nobody", "card_unknown", 0), ("U", "card_unknown", -5)),
            *(("X", "card_closed", 0), ("O", "card_replaced", 0)),
        )
    ),
    *(
        Case(Grant("A", programme, group, holder, TODAY, until), reason, rule, detail, 100)
        for programme, group, holder, until, reason, rule, detail in (
            ("bus", "elderly", "budi", TODAY, "programme_unknown", "grant", "programme"),
            ("ride", "sd", "budi", TODAY, "group_unknown", "grant", "group"),
            ("kjp", "elderly", "budi", TODAY, "group_unknown", "grant", "group"),
            ("ride", "elderly", "bu/di", TODAY, "account_name", NAME, "holder"),
            ("ride", "elderly", "budi", TODAY - 1, "grant_over", "grant", "until_day"),
            ("ride", "elderly", "budi", TODAY + 182, "grant_too_long", RIDE, "until_day"),
            ("ride", "elderly", "ani", TODAY, "already_granted", RIDE, "holder"),
            ("kjp", "sd", "budi", TODAY, "too_many_grants", "grant", "card"),
        )
    ),
    Case(
        Grant("A", "ride", "elderly", "budi", TODAY + 2, TODAY + 1),
        *("grant_over", "grant", "until_day", 100),
    ),
    *(
        Case(Grant("G", "ride", *named, TODAY, TODAY), "already_granted", RIDE, "card")
        for named in (("worker", "ani"), ("elderly", "budi"))
    ),
    Case(Revoke("nobody", "ride", "x"), "card_unknown", STATUS, "card"),
    Case(Revoke("U", "ride", "x"), "card_unknown", STATUS, "card", -5),
    Case(Revoke("X", "ride", "x"), "card_closed", STATUS, "card"),
    Case(Revoke("O", "ride", "x"), "card_replaced", STATUS, "card"),
    Case(Revoke("A", "ride", "x"), "not_granted", "grant", "programme", 100),
    Case(Revoke("G", "food", "x"), "not_granted", "grant", "programme"),
]

CASES: Final = [
    *(
        *TAPS,
        *PURCHASES,
        *TOP_UPS,
        *BETWEEN,
        *GROUPS,
        *HOLDS,
        *WITHDRAWALS,
        *RETURNS,
        *ADJUSTMENTS,
        *LIVES,
    ),
    *GRANTS,
]

_STATUS = "card_unknown card_blocked card_closed card_replaced"
_ACCOUNT = "account_name account_limit"
_SPENDING = f"{_STATUS} {_ACCOUNT} medium_is_stored purse_unknown below_floor day_limit month_limit"
_TOP_UP = (
    f"{_STATUS} {_ACCOUNT} funds_mixed fee_too_high purse_limit"
    " above_ceiling receive_limit above_allowance"
)
_RETURN = "original_unknown not_returnable amount_exceeded card_closed card_replaced above_ceiling"

REASONS: Final[dict[type[Intent], str]] = {
    Tap: _SPENDING,
    Purchase: _SPENDING,
    TopUp: _TOP_UP,
    Subsidy: _ACCOUNT,
    Share: _ACCOUNT,
    Group: f"{_SPENDING} {_TOP_UP} group_cards",
    Reversal: f"{_RETURN} below_floor",
    Refund: _RETURN,
    Adjustment: (
        f"{_ACCOUNT} not_balanced funds_mixed card_unknown card_closed card_replaced"
        " purse_unknown amount_exceeded below_floor above_ceiling"
    ),
    Issue: f"{_ACCOUNT} card_exists",
    Block: _STATUS,
    Unblock: "card_unknown card_not_blocked card_closed card_replaced",
    Replace: "card_unknown card_closed card_replaced account_name card_exists purse_limit",
    Close: "card_unknown card_closed card_replaced holds_open below_floor",
    Hold: f"{_SPENDING} too_many_holds",
    Withdrawal: f"{_SPENDING} not_registered cash_limit",
    Post: "card_unknown hold_unknown hold_expired amount_exceeded below_floor account_limit",
    Void: "card_unknown hold_unknown hold_expired",
    Grant: (
        "card_unknown card_closed card_replaced programme_unknown group_unknown account_name"
        " grant_over grant_too_long already_granted too_many_grants"
    ),
    Revoke: "card_unknown card_closed card_replaced not_granted",
    Identify: "card_unknown card_closed card_replaced account_name card_registered",
}
"""Why each kind may be refused: this and nothing else."""
