"""What was exercised: every message, code, result and reason that was sent or heard.

message:submit  question:balance  code:idle  close:4005  status:404  reason:below_floor
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ops.conformance.shape import fields_of

_INNER = {
    "query": (("question", 2),),
    "answer": (("answer", 2),),
    "order": (("action", 2),),
    "command": (("command", 2),),
}
"""Messages that hold something with a name of its own: of which family, and where."""


class Notes:
    """Gathers what was exercised."""

    def __init__(self) -> None:
        self.exercised: set[str] = set()

    def add(self, kind: str, name: object) -> None:
        """Note one thing."""
        self.exercised.add(f"{kind}:{name}")

    def message(self, message: Sequence[Any]) -> None:
        """Note a message and what is in it, if it is one."""
        for kind, name in _told(message):
            if name and isinstance(name, str):
                self.add(kind, name)


def _told(message: Sequence[Any]) -> Iterator[tuple[str, object]]:
    if not message or not isinstance(message[0], str):
        return
    name = message[0]
    yield "message", name
    for family, at in _INNER.get(name, ()):
        if len(message) > at and isinstance(message[at], list | tuple) and message[at]:
            yield family, message[at][0]
    if name == "submit":
        yield from _of_transactions(message[1:2])
    elif name == "outcome":
        yield from _of_outcomes(message[1])
    else:
        yield from _of_codes(message)


def _of_codes(message: Sequence[Any]) -> Iterator[tuple[str, object]]:
    match message:
        case ["answer", _, ["failed", code, *_]]:
            yield "failed", code
        case ["error", code, *_]:
            yield "code", code
        case ["receipt", _, result, code, *_]:
            yield "receipt", result
            yield "order", code
        case _:
            pass


def _of_transactions(lists: Sequence[Any]) -> Iterator[tuple[str, object]]:
    for transaction in lists[0] if lists and isinstance(lists[0], list) else ():
        match transaction:
            case [_, _, ["group" as name, [*parts]]]:
                yield "intent", name
                yield from (("intent", part[0]) for part in parts if part)
            case [_, _, [name, *_]]:
                yield "intent", name
            case _:
                pass


def _of_outcomes(outcomes: Sequence[Any]) -> Iterator[tuple[str, object]]:
    for values in outcomes:
        outcome = dict(zip(fields_of("record.outcome"), values, strict=False))
        yield "result", outcome["result"]
        busy = outcome["result"] == "busy"
        yield "busy" if busy else "reason", outcome.get("reason", "")
        yield from (("reason", reason) for reason in outcome.get("exceptions", ()))
