"""What came of all rules: a table for people, an object for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import asdict
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.conformance.run import Tried, Verdict

_COLOURS: Final[dict[Verdict, str]] = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def summary(tried: Sequence[Tried]) -> dict[str, object]:
    """Return what came of all rules, as one object."""
    counts = Counter(each.verdict for each in tried)
    return {
        "passed": counts["passed"],
        "failed": counts["failed"],
        "skipped": counts["skipped"],
        "rules": [asdict(each) for each in tried],
    }


def progress(console: Console, each: Tried) -> None:
    """Show a rule that was tried just now, unless it holds."""
    if each.verdict != "passed":
        line = f"{each.id:>6}  {each.verdict}  {each.name}: {each.why}"
        console.print(f"[{_COLOURS[each.verdict]}]{escape(line)}[/]", highlight=False)


def render(console: Console, tried: Sequence[Tried]) -> None:
    """Show all rules, and what the document says where one does not hold."""
    table = Table("rule", "verdict", "what has to hold", "s", box=None, pad_edge=False)
    for each in tried:
        verdict = f"[{_COLOURS[each.verdict]}]{each.verdict}[/]"
        table.add_row(each.id, verdict, escape(_in_words(each)), f"{each.took_s:.2f}")
    console.print(table)
    failed = [each for each in tried if each.verdict == "failed"]
    for each in failed:
        console.print(f"[bold red]{each.id}[/] The document: {escape(each.sentence)}")
        console.print(f"      It does not hold: {escape(each.why)}")
    console.print(_counted(tried), highlight=False)


def _in_words(each: Tried) -> str:
    return f"{each.name} ({each.why})" if each.verdict == "skipped" else each.name


def _counted(tried: Iterable[Tried]) -> str:
    counts = Counter(each.verdict for each in tried)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in _COLOURS)
