"""The statement at the end of the demo: where the money is, how it went, and that it balances."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.accounts import (
    BANK_SETTLEMENT,
    OPERATOR_REVENUE,
    OWED_FARES,
    PROGRAMME_FUND,
    PURSE,
)
from engine.transaction import Issue, Tap
from ops.demo.city import MIDNIGHT
from ops.demo.network import Network
from ops.demo.result import Latency, Result, clock

_KINDS: Final = (
    (PURSE, "Purses of the cards"),
    (OPERATOR_REVENUE, "Revenue of the operators"),
    (BANK_SETTLEMENT, "Banks: top-ups to hand over"),
    (PROGRAMME_FUND, "Programme: free rides to pay"),
    (OWED_FARES, "Owed to cards: paid above the fare"),
)


def render(console: Console, network: Network, result: Result) -> None:
    """Print the statement."""
    title = f"Statement of {MIDNIGHT:%A} {MIDNIGHT.day} {MIDNIGHT:%B %Y}, morning"
    parts: tuple[RenderableType, ...] = (
        _operators(network, result),
        _banks(network, result),
        _accounts(result),
        _figures(result),
        _verdict(result),
    )
    console.print()
    console.rule(Text(title, "bold"))
    for part in parts:
        console.print()
        console.print(Padding(part, (0, 1)))
    _print_next_steps(console, result)


def rupiah(amount_rp: int) -> str:
    """Return an amount as people read it: `Rp3,500`, `-Rp3,500`."""
    return f"{'-' if amount_rp < 0 else ''}Rp{abs(amount_rp):,}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


def _operators(network: Network, result: Result) -> Table:
    trips = Counter[str]()
    for plan in result.city.taps:
        tap = plan.intent
        assert isinstance(tap, Tap), "a gate plans nothing else"
        trips[tap.operator] += tap.direction == "in"
    table = _table("Operators", "Operator", "Trips", "Acknowledged", "In the ledger")
    for operator in dict.fromkeys(line.operator for line in network.lines):
        account = (OPERATOR_REVENUE, operator)
        table.add_row(
            operator,
            f"{trips[operator]:,}",
            rupiah(result.audit.expected.get(account, 0)),
            rupiah(result.audit.ledger.get(account, 0)),
        )
    return table


def _banks(network: Network, result: Result) -> Table:
    cards = Counter(
        plan.intent.bank for plan in result.city.loads if isinstance(plan.intent, Issue)
    )
    table = _table("Banks", "Bank", "Cards", "Acknowledged", "In the ledger")
    for code, bank in network.banks.items():
        account = (BANK_SETTLEMENT, code)
        table.add_row(
            bank.name,
            f"{cards[code]:,}",
            rupiah(result.audit.expected.get(account, 0)),
            rupiah(result.audit.ledger.get(account, 0)),
        )
    return table


def _accounts(result: Result) -> Table:
    audit = result.audit
    table = _table("All accounts", "Kind", "Accounts", "Balance")
    for kind, name in _KINDS:
        count = sum(account[0] == kind for account in audit.ledger)
        table.add_row(name, f"{count:,}", rupiah(audit.total_rp(kind)))
    table.add_section()
    total_rp = audit.sum_of_accounts_rp
    table.add_row("Sum over all accounts", f"{len(audit.ledger):,}", rupiah(total_rp), style="bold")
    return table


def _figures(result: Result) -> Table:
    table = Table(title="Figures", title_justify="left", title_style="bold", box=None)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _measured(result):
        table.add_row(name, value)
    return table


def _measured(result: Result) -> Iterator[tuple[str, str]]:
    yield "Taps sent", f"{result.taps_sent:,}"
    yield "  posted", f"{result.posted:,}"
    for reason, count in result.refused.items() or {"none": 0}.items():
        yield f"  refused: {reason}", f"{count:,}"
    yield "Taps sent again", f"{result.resent:,}"
    yield "  known, and answered as before", f"{result.duplicates:,}"
    if outage := result.outage:
        yield "Killed with SIGKILL", clock(outage.killed_at)
        yield "  listening again after", f"{outage.down_ms:,.0f} ms"
        yield (
            f"  of which replay of {outage.replayed:,} entries",
            f"{outage.recovery_ms:,.0f} ms",
        )
        yield "  all terminals back after", f"{outage.away_ms:,.0f} ms"
    yield "Journal", f"{result.audit.entries:,} entries in {result.blocks:,} blocks"
    yield "Throughput", f"{result.taps_per_s:,.0f} taps/s for {result.sending_s:.1f} s"
    yield "Latency of all taps", _latency(result.latency)
    if outage:
        yield "  of those the outage did not touch", _latency(result.calm)


def _latency(latency: Latency) -> str:
    return f"p50 {latency.p50_ms:,.1f} ms, p99 {latency.p99_ms:,.1f} ms"


def _verdict(result: Result) -> Panel:
    audit = result.audit
    counts = f"{audit.lost} lost, {audit.doubled} doubled, {result.unanswered} unanswered"
    journal = "journal verified" if result.verified else "journal NOT verified"
    total = f"sum over all accounts {rupiah(audit.sum_of_accounts_rp)}"
    lines = [f"{counts}; {total}; {journal}."]
    if audit.strangers:
        lines.append(f"{audit.strangers} entries that nobody sent.")
    lines += [*audit.differences, *result.problems]
    head = "Balanced to the rupiah." if result.balanced else "NOT BALANCED."
    style = "green" if result.balanced else "red"
    return Panel(Text("\n".join([head, *lines])), border_style=style, style=style, expand=False)


def _print_next_steps(console: Console, result: Result) -> None:
    folder, command = shlex.quote(result.folder or "morning"), shlex.quote(_command())
    steps = {
        f"{command} verify {folder}": "check chain, sums and views again",
        f"{command} backup {folder} copy": "copy it, also under a live node",
        f"{command} serve --dev --data {folder}": "go on from here",
        f"{command} bench": "how fast this machine can go",
        "docs/protocol.md": "write a terminal of your own",
    }
    if not result.folder:
        again = f"{command} demo {_options(result)} --data {folder}"
        steps = {again: "once more, and keep the folder", **steps}
    # Never cut or broken: these are to be copied.
    width = max(map(len, steps))
    console.print()
    console.print(" [bold]Where to go next[/]")
    for command, purpose in steps.items():
        line = Text.assemble((f"  {command:{width}}", "bold"), f"  {purpose}")
        console.print(line, soft_wrap=True)


def _command() -> str:
    """Return how this program can be called from where it was called."""
    program = Path(sys.argv[0])
    is_ours = program.name == "jakarta-one"
    if not is_ours or shutil.which(program.name):
        return "jakarta-one"
    with contextlib.suppress(ValueError):
        return str(program.absolute().relative_to(Path.cwd()))
    return str(program)


def _options(result: Result) -> str:
    """Return what makes the same demo again."""
    speed = f" --speed {result.speed:g}" if result.speed else ""
    return f"--seed {result.seed} --trips {result.city.trips}{speed}"
