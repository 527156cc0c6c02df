"""The screen of a terminal on a console: lines for people, or a line of JSON for each visit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from rich.console import Console

from protocol.redaction import masked
from terminals.acceptance.screen import uses_shown
from terminals.acceptance.visit import Taken, Turned, Visit


class ConsoleScreen:
    """Shows lines, each under the name of its reader where there are several.

    Args:
      console: where they are shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, tuple[str, ...]] = {}

    def show(self, reader: str, lines: Sequence[str]) -> None:
        """Show lines, but for those that stand there already."""
        if self._last.get(reader) == tuple(lines):
            return
        self._last[reader] = tuple(lines)
        self._console.print(f"[{reader}]", style="dim", markup=False, highlight=False)
        for line in lines:
            self._console.print(line, markup=False, highlight=False)

    def visited(self, reader: str, visit: Visit, lines: Sequence[str], took_s: float) -> None:
        """Show what came of a visit."""
        self._last.pop(reader, None)
        first, *rest = lines
        if isinstance(visit, Taken) and visit.recovered:
            first += " (dilanjutkan / continued)"
        self.show(reader, [f"{first}  ({took_s * 1000:.0f} ms)", *rest])


class JsonScreen:
    """Writes a line of JSON for each visit, and nothing else.

    Args:
      write: takes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def show(self, reader: str, lines: Sequence[str]) -> None:
        """Show nothing: who reads JSON waits for visits."""

    def visited(self, reader: str, visit: Visit, lines: Sequence[str], took_s: float) -> None:
        """Write what came of a visit, but not where its card was before: that is for its holder."""
        shown = list(lines[: len(lines) - uses_shown(visit)])
        told = {"reader": reader, "screen": shown, "took_ms": round(took_s * 1000, 1)}
        self._write(json.dumps(told | visit_in_json(visit)))


def visit_in_json(visit: Visit) -> dict[str, object]:
    """Return what came of a visit; of the card's number the last four digits."""
    if isinstance(visit, Turned):
        return {
            "result": "refused",
            "reason": str(visit.refused.refusal),
            "detail": visit.refused.detail,
            "card": masked(visit.number) if visit.number else "",
        }
    assert isinstance(visit, Taken)
    return {
        "result": "taken",
        "use": visit.use.name.lower(),
        "card": masked(visit.number),
        "change_rp": visit.change_rp,
        "value_rp": visit.value_rp,
        "counter": visit.counter,
        "recovered": visit.recovered,
        "rule": visit.rule,
    }
