"""Instruments are read whole, or everything that is wrong is told with file, line and rule."""

from __future__ import annotations

import pytest

from engine.rules.kinds import FlatFare
from engine.rules.reading import Fault, RulesInvalid, by_file, read_instrument
from tests.engine.rules.written import HEAD, limit, rule, text_of

FLAT = 'services = ["krl"]\namount_rp = 3_500\n'
PEAK = "windows = [{ since = 05:00:00, until = 07:00:00, amount_rp = 2_000 }]\n"
DISTANCE = 'services = ["krl"]\nfirst_m = 1\nfirst_rp = 1\nstep_m = 1\nstep_rp = 1\n'
TABLE = 'services = ["mrt"]\nstations = ["A", "B"]\namounts_rp = [[1, 2], [2, 1]]\n'
ORDER = "purses = [{}]\nsplit = true\n"
ALLOWANCE = 'programme = "kjp"\nlevel = "sd"\nevery = "month"\namount_rp = 250\n'
GROUP = '{ number = 1, name = "kjp", who_id = "i", who_en = "e" }'
GROUPS = (
    'programme = "a"\nservices = ["mrt"]\npercent = 100\ncard_months = 6\n'
    f"groups = [{GROUP}, {GROUP}]\n"
)
STEPS = "steps = [{ up_to_rp = 2, fee_rp = 0 }, { up_to_rp = 2, fee_rp = 1 }, { fee_rp = 2 }]\n"
ITEMS = 'programme = "food"\nper_month = 1\nitems = [{ name = "a", what = "a", price_rp = 1 }]\n'


def faults_of(text: str, file: str = "a.toml") -> list[tuple[int, str, str]]:
    with pytest.raises(RulesInvalid) as caught:
        read_instrument(text, file)
    assert all(fault.file == file for fault in caught.value.faults)
    return [fault[1:] for fault in caught.value.faults]


def test_a_rule_is_read_with_its_line() -> None:
    read = read_instrument(text_of("a", rule("fare.a", "flat_fare", FLAT + PEAK)), "decrees/a.toml")
    (placed,) = read.rules
    assert (read.head.id, read.file, placed.line) == ("a", "decrees/a.toml", 7)
    assert isinstance(placed.rule, FlatFare)
    assert placed.rule.version == "fare.a@2019-01-01"
    assert [window.amount_rp for window in placed.rule.windows] == [2_000]
    assert placed.rule.windows[0].since.hour == 5


@pytest.mark.parametrize(
    ("kind", "figures", "line", "what"),
    [
        ("flat_fare", FLAT.replace("3_500", "-1"), 17, "amount_rp: expected `int` >= 0"),
        ("flat_fare", FLAT.replace("3_500", '"3500"'), 17, "amount_rp: expected `int`, got `str`"),
        ("flat_fare", FLAT.replace("krl", "tram"), 16, "services[0]: invalid enum value 'tram'"),
        ("flat_fare", "amount_rp = 1\n", 7, "object missing required field `services`"),
        ("flat_fare", FLAT + "amount_usd = 1\n", 18, "amount_usd: there is no such field"),
        ("flat_fare", FLAT + PEAK.replace("07", "04"), 18, "windows[0]: until 04:00:00 is not"),
        ("flat_fare", FLAT + PEAK.replace("since", "from"), 18, "windows[0].from: there is no"),
        ("flat_fare", FLAT + "valid_to = 2018-12-31\n", 7, "valid_to 2018-12-31 is before"),
        ("tram_fare", FLAT, 9, "kind: invalid value 'tram_fare'"),
        ("table_fare", TABLE.replace('"B"', '"A"'), 7, "stations: one stands there twice"),
        ("table_fare", TABLE.replace(", [2, 1]", ""), 7, "amounts_rp has 1 rows for 2 stations"),
        ("table_fare", TABLE.replace("[2, 1]", "[2]"), 7, "amounts_rp from B has 1 amounts for 2"),
        ("distance_fare", DISTANCE + "same_station_min = 60\n", 7, "caps and same_station_min"),
        ("purse_limit", 'purse = "registered"\nprogramme = "kjp"\n', 7, "programme: the purse is"),
        ("allowance", ALLOWANCE + "routine_rp = 1\n", 7, "routine_rp and periodic_rp are 1, amou"),
        ("item_quota", ITEMS.replace("}]", '}, { name = "a", what = "b", price_rp = 2 }]'), 7, "i"),
        ("free_ride", GROUPS, 7, "groups: one stands there twice"),
        ("purse_order", ORDER.format('"kjp", "kjp", "own"'), 7, "purses: one stands there twice"),
        ("purse_order", ORDER.format('"own", "kjp"'), 7, "purses: the last one is not own"),
        ("top_up_fee", 'channel = "on_us"\nsteps = [{ up_to_rp = 1, fee_rp = 0 }]\n', 7, "steps: "),
        (
            "top_up_fee",
            'channel = "on_us"\n' + STEPS,
            7,
            "steps: up_to_rp has to grow",
        ),
    ],
)
def test_a_fault_is_told_with_its_line_and_rule(
    kind: str, figures: str, line: int, what: str
) -> None:
    text = text_of("a", rule("fare.a", kind, figures), limit("registered"))
    ((at, name, told),) = faults_of(text)
    assert (at, name) == (line, "fare.a")
    assert told.startswith(what)


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = rule("fare.a", "flat_fare", FLAT.replace("3_500", "-1"))
    worse = rule("Fare", "flat_fare", FLAT)
    text = "[extra]\n" + text_of("b", wrong, worse).replace('title = "T"\n', "")
    assert [(line, name) for line, name, _ in faults_of(text)] == [
        (1, ""),
        (2, "instrument"),
        (17, "fare.a"),
        (21, "Fare"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x", 1, "no TOML: expected '='"),
        (HEAD.format(id="a") + "\n[[rule]\n", 7, "no TOML: expected ']]'"),
        ("", 1, "object missing required field `id`"),
        (HEAD.format(id="a"), 1, "there is no table [[rule]]"),
        (HEAD.format(id="a") + "[rule]\nid = 1\n", 6, "there is no table [[rule]]"),
        (text_of("b", limit("registered")), 2, "id: b is to be in b.toml"),
        ("rule = [1]\n" + HEAD.format(id="a"), 1, "expected `object`, got `int`"),
        (HEAD.format(id="a") + '[[rule]]\nid = "x"\n', 6, "object missing required field `kind`"),
    ],
)
def test_what_is_no_instrument_is_said(text: str, line: int, what: str) -> None:
    told = faults_of(text)
    assert any(at == line and found.startswith(what) for at, _, found in told), told


def test_faults_of_all_files_are_told_in_their_order() -> None:
    with pytest.raises(RulesInvalid) as caught:
        by_file({"b.toml": "x", "a.toml": "y", "c.toml": text_of("c", limit("registered"))})
    assert [fault.file for fault in caught.value.faults] == ["a.toml", "b.toml"]
    assert str(caught.value).splitlines()[0].startswith("a.toml:1: no TOML: ")
    assert str(Fault("a.toml", 3, "fare.a", "amount_rp: no")) == "a.toml:3: fare.a: amount_rp: no"
