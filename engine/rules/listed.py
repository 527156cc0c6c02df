"""Instruments as entries of the list `rules`, by which terminals are given new ones.

An entry is a line of a file: the key is the name of the file, `#` and the number of the line, the
value is the line. So a fare that changes is an entry that changes, for who reads it and on the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from engine.limits import LIST_KEY_LENGTH_MAX, LIST_VALUE_LENGTH_MAX
from engine.rules.reading import Fault, RulesInvalid

_KEY: Final = re.compile(r"(?P<file>[a-z0-9][a-z0-9_.-]*\.toml)#(?P<line>[0-9]{5})")
_LINES_MAX: Final = 99_999


def entries_of(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the entries of files, by name.

    Raises:
      RulesInvalid: a name, a line, or their number has no room in a list.
    """
    for file, text in sorted(texts.items()):
        lines = text.splitlines()
        key = f"{file}#{0:05}"
        if _KEY.fullmatch(key) is None or len(key) > LIST_KEY_LENGTH_MAX:
            raise RulesInvalid([Fault(file, 1, "", "the list has no room for a name like this")])
        if len(lines) > _LINES_MAX:
            raise RulesInvalid([Fault(file, _LINES_MAX, "", "more lines than the list can number")])
        for number, line in enumerate(lines, start=1):
            if len(line) > LIST_VALUE_LENGTH_MAX:
                what = f"longer than the {LIST_VALUE_LENGTH_MAX} characters of an entry"
                raise RulesInvalid([Fault(file, number, "", what)])
            yield f"{file}#{number:05}", line


def texts_of(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the files that stand in a list, by name.

    Raises:
      RulesInvalid: a key is no line of a file, or a line is missing.
    """
    lines: dict[str, list[str]] = {}
    for key, value in sorted(entries):
        found = _KEY.fullmatch(key)
        if found is None:
            raise RulesInvalid([Fault("rules", 0, "", f"{key!r} is no line of a file")])
        file, number = found["file"], int(found["line"])
        before = lines.setdefault(file, [])
        if number != len(before) + 1:
            raise RulesInvalid([Fault(file, len(before) + 1, "", "this line is missing")])
        before.append(value)
    return {file: "".join(f"{line}\n" for line in found) for file, found in lines.items()}
