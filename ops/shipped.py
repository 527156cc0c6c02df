"""Files that come with the program, and those that stand beside them or in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from engine.rules.reading import Fault, RulesInvalid


def texts_beside(
    shipped: Mapping[str, str], paths: Iterable[Path]
) -> tuple[dict[str, str], list[Fault]]:
    """Return the texts of files by the names they are shown with, and what cannot be read.

    Of two files with the same name, the later one takes the place of the other.

    Args:
      shipped: those that come with the program, by name.
      paths: of the others.
    """
    texts, faults = dict(shipped), list[Fault]()
    shown = {name: name for name in shipped}
    for path in paths:
        texts.pop(shown.get(path.name, ""), None)
        shown[path.name] = str(path)
        try:
            texts[str(path)] = _text_of(path)
        except RulesInvalid as invalid:
            faults += invalid.faults
    return texts, faults


def _text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
      RulesInvalid: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RulesInvalid([Fault(str(path), 1, "", error.strerror or str(error))]) from None
    except UnicodeDecodeError as error:
        before = path.read_bytes()[: error.start]
        fault = Fault(str(path), before.count(b"\n") + 1, "", "this is no UTF-8")
        raise RulesInvalid([fault]) from None


@cache
def coming_with(package: str, folder: str) -> Mapping[str, str]:
    """Return the texts of the files that come with the program in a folder, by their names."""
    return {
        file.name: file.read_text(encoding="utf-8") for file in (files(package) / folder).iterdir()
    }
