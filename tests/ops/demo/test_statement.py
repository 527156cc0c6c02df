"""The statement tells what happened and ends with the verdict and the next steps."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from engine.accounts import OPERATOR_REVENUE
from ops.demo.network import Network
from ops.demo.result import Result
from ops.demo.statement import render, rupiah


def printed(network: Network, result: Result) -> str:
    console = Console(file=io.StringIO(), width=100)
    render(console, network, result)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("amount_rp", "text"), [(0, "Rp0"), (3_500, "Rp3,500"), (-1_000_000, "-Rp1,000,000")]
)
def test_rupiah_are_written_as_people_read_them(amount_rp: int, text: str) -> None:
    assert rupiah(amount_rp) == text


def test_kill_stands_with_its_date_and_what_it_cost(network: Network, result: Result) -> None:
    text = flat(printed(network, result))
    assert "Killed with SIGKILL 2025-11-24 08:30:00.250" in text
    assert "of which replay of 400 entries 120 ms" in text


def test_every_operator_and_bank_stands_with_its_balance(network: Network, result: Result) -> None:
    text = flat(printed(network, result))
    for line in network.lines:
        revenue_rp = rupiah(result.audit.ledger[OPERATOR_REVENUE, line.operator])
        assert f"{line.operator} " in text
        assert f"{revenue_rp} {revenue_rp}" in text
    for bank in network.banks.values():
        assert bank.name in text


def test_statement_ends_with_sum_journal_figures_verdict_and_next_steps(
    network: Network, result: Result
) -> None:
    text = flat(printed(network, result))
    marks = (
        "Sum over all accounts",
        "Throughput",
        "Latency of all taps",
        "of those the outage did not touch",
        "Balanced to the rupiah.",
        "0 lost, 0 doubled",
        "sum over all accounts Rp0; journal verified",
        "Where to go next",
        "jakarta-one verify morning",
    )
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_refusals_are_told_by_reason(network: Network, result: Result) -> None:
    count = Counter(result.refused)["below_floor"]
    assert f"refused: below_floor {count}" in flat(printed(network, result))


def test_no_refusals_are_told_as_none(network: Network, result: Result) -> None:
    assert "refused: none 0" in flat(printed(network, replace(result, refused={})))


def test_kept_folder_stands_in_the_commands_quoted_for_a_shell(
    network: Network, result: Result
) -> None:
    text = printed(network, replace(result, folder="my morning"))
    assert "jakarta-one verify 'my morning'" in text
    assert "jakarta-one demo" not in text


@pytest.mark.parametrize("is_installed", [True, False])
def test_commands_are_called_as_this_one_was(
    network: Network,
    result: Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_installed: bool,
) -> None:
    program = tmp_path / "bin" / "jakarta-one"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", str(program.parent) if is_installed else "")
    monkeypatch.chdir(tmp_path)
    command = "jakarta-one" if is_installed else "bin/jakarta-one"
    text = printed(network, replace(result, speed=3_000.0))
    assert f"  {command} verify morning" in text
    options = f"--seed {result.seed} --trips {result.city.trips} --speed 3000"
    assert f"  {command} demo {options} --data morning" in text
    monkeypatch.chdir(program.parent.parent.parent)
    monkeypatch.chdir("/")
    assert f"  {command if is_installed else str(program)[1:]} bench" in printed(network, result)


def test_statement_without_a_kill_has_no_outage(network: Network, result: Result) -> None:
    text = printed(network, replace(result, outage=None))
    assert "SIGKILL" not in text
    assert "outage" not in text


def test_what_does_not_balance_is_said_loudly_with_each_difference(
    network: Network, result: Result
) -> None:
    key = (OPERATOR_REVENUE, "mrt-jakarta")
    ledger = {**result.audit.ledger, key: result.audit.ledger[key] + 3_000}
    bad = replace(
        result,
        audit=replace(result.audit, ledger=ledger, doubled=1, strangers=1),
        verified=False,
        problems=("block 7: the hash differs",),
    )
    text = flat(printed(network, bad))
    for part in (
        "NOT BALANCED.",
        "1 doubled",
        "journal NOT verified",
        "1 entries that nobody sent",
        "operator_revenue mrt-jakarta:",
        "block 7: the hash differs",
        "sum over all accounts Rp3,000",
    ):
        assert part in text
    assert "Balanced to the rupiah" not in text


def test_statement_fits_a_log_that_is_no_terminal(network: Network, result: Result) -> None:
    lines = printed(network, result).splitlines()
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)
