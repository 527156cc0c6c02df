"""Messages made from the schema: each with one value at a bound, or one that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from ops.conformance.shape import SCHEMA

Message: TypeAlias = list[Any]
Put: TypeAlias = Callable[[Any], Message]
"""Returns a whole message with a value in the place that is looked at."""

_DEFS: Final[dict[str, Any]] = SCHEMA["$defs"]
_HANDSHAKE: Final = frozenset({"message.hello", "message.prove"})
_UNKNOWN: Final = ["no such name"]


def wrong_messages() -> Iterator[tuple[str, Message]]:
    """Yield the name of a field, and a message of a session in which that alone is wrong.

    Each definition is looked into once, wherever it is met first.
    """
    return _Walk(is_wrong=True).messages()


def edge_messages() -> Iterator[tuple[str, Message]]:
    """Yield the name of a field, and a message in which that stands at one of its bounds."""
    return _Walk(is_wrong=False).messages()


def sample(wanted: dict[str, Any]) -> Any:  # noqa: ANN401 - as MessagePack has them
    """Return something that a schema takes."""
    wanted = _resolved(wanted)
    if "anyOf" in wanted:
        return sample(wanted["anyOf"][0])
    if "const" in wanted:
        return wanted["const"]
    if "enum" in wanted:
        return wanted["enum"][-1]
    if "x-bytes" in wanted:
        return bytes(wanted["x-bytes"][0])
    match wanted["type"]:
        case "array":
            first = [sample(item) for item in wanted.get("prefixItems", ())]
            return first or [sample(wanted["items"])] * wanted.get("minItems", 0)
        case "string":
            return "x" * wanted.get("minLength", 0)
        case "integer":
            return wanted.get("minimum", 1)
        case _:
            return False


def _resolved(wanted: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in wanted:
        return wanted
    found: dict[str, Any] = _DEFS[wanted["$ref"].removeprefix("#/$defs/")]
    return found


class _Walk:
    def __init__(self, *, is_wrong: bool) -> None:
        self._is_wrong = is_wrong
        self._seen: set[str] = set()

    def messages(self) -> Iterator[tuple[str, Message]]:
        for choice in _DEFS["from_terminal"]["anyOf"]:
            definition = choice["$ref"].removeprefix("#/$defs/")
            if definition not in _HANDSHAKE:
                found = self._values(choice, _DEFS[definition]["title"], _whole)
                # What is no array at all is no message, and not a field that is wrong.
                yield from ((path, message) for path, message in found if message)

    def _values(self, wanted: dict[str, Any], path: str, put: Put) -> Iterator[tuple[str, Message]]:
        definition = wanted.get("$ref", "")
        if definition in self._seen:
            return
        self._seen |= {definition} - {""}
        wanted = _resolved(wanted)
        if "anyOf" in wanted:
            yield from self._choices(wanted["anyOf"], path, put)
        elif wanted.get("type") == "array":
            yield from self._inside(wanted, path, put)
        if self._is_wrong:
            yield from ((path, put(value)) for value in _wrong_values(wanted))
        else:
            yield from ((path, put(value)) for value in _edge_values(wanted))

    def _choices(
        self, choices: list[dict[str, Any]], path: str, put: Put
    ) -> Iterator[tuple[str, Message]]:
        for choice in choices:
            if choice != {"type": "null"}:
                yield from self._values(choice, path, put)

    def _inside(self, wanted: dict[str, Any], path: str, put: Put) -> Iterator[tuple[str, Message]]:
        whole = sample(wanted)
        for at, item in enumerate(wanted.get("prefixItems", ())):
            name = f".{item['title']}" if "title" in item else f"[{at}]"

            def put_at(value: object, at: int = at) -> Message:
                return put([*whole[:at], value, *whole[at + 1 :]])

            if "const" not in item:
                yield from self._values(item, path + name, put_at)
        if isinstance(wanted.get("items"), dict):
            least = whole[1:]
            yield from self._values(
                wanted["items"], f"{path}[0]", lambda value: put([value, *least])
            )


def _whole(message: Message) -> Message:
    return message


def _wrong_values(wanted: dict[str, Any]) -> Iterator[Any]:
    if "anyOf" in wanted:
        yield _UNKNOWN
        return
    if "const" in wanted:
        return
    if "enum" in wanted:
        yield from ("no such word", 7)
        return
    yield {} if wanted["type"] != "null" else 7
    low, high = _bounds(wanted)
    is_number = wanted["type"] == "integer"
    past = [] if low is None or (not low and not is_number) else [low - 1]
    past += [] if high is None else [high + 1]
    yield from (bound if is_number else _of_size(wanted, bound) for bound in past)
    if wanted["type"] == "array" and wanted.get("items") is False:
        yield [*sample(wanted), 0]


def _edge_values(wanted: dict[str, Any]) -> Iterator[Any]:
    if "enum" in wanted:
        yield from wanted["enum"]
        return
    if "anyOf" in wanted or "const" in wanted:
        return
    low, high = _bounds(wanted)
    if wanted["type"] == "integer":
        yield from (value for value in (low, high) if value is not None)
    elif "prefixItems" not in wanted and high is not None:
        yield from (_of_size(wanted, size) for size in {low or 0, high})


def _bounds(wanted: dict[str, Any]) -> tuple[int | None, int | None]:
    if "x-bytes" in wanted:
        low, high = wanted["x-bytes"]
        return low, high
    if "prefixItems" in wanted:
        return wanted["minItems"], None
    names = {
        "integer": ("minimum", "maximum"),
        "string": ("minLength", "maxLength"),
        "array": ("minItems", "maxItems"),
    }
    low_name, high_name = names.get(wanted["type"], ("", ""))
    return wanted.get(low_name), wanted.get(high_name)


def _of_size(wanted: dict[str, Any], size: int) -> Any:  # noqa: ANN401 - as MessagePack has them
    if "x-bytes" in wanted:
        return bytes(size)
    if wanted["type"] == "string":
        return "x" * size
    if "prefixItems" in wanted:
        return sample(wanted)[:size]
    return [sample(wanted["items"])] * size
