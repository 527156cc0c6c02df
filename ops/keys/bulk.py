"""Enrolling all keys of a file, or none of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from ops.keys.csv_file import FAULTS_MAX, Fault, read_keys
from ops.keys.opened import opened_keys
from ops.keys.wanted import conflict


class Enrolled(NamedTuple):
    """How many keys of a file were enrolled, and how many had been before."""

    new: int
    known: int


def enroll_file(file: Path, data: Path, at_ms: int) -> Enrolled:
    """Enrol all keys of a file; the folder is made if there is none.

    Raises:
      click.ClickException: the file cannot be read, or something in it is wrong; nothing of it was
        enrolled.
    """
    try:
        reading = read_keys(file, at_ms=at_ms)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    _refuse(file, reading.faults)
    wanted = [key for _, key in reading.keys]
    with opened_keys(data, create=True, change=True) as store:
        found = store.find_many([(key.terminal, key.public_key) for key in wanted])
        unlike = [
            Fault(line, why.column, f"this key of {key.terminal} {why.reason}")
            for (line, key), known in zip(reading.keys, found, strict=True)
            if known is not None and (why := conflict(known, key))
        ]
        _refuse(file, unlike)
        new = [key for key, known in zip(wanted, found, strict=True) if known is None]
        store.save(new)
    return Enrolled(len(new), len(wanted) - len(new))


def _refuse(file: Path, faults: Sequence[Fault]) -> None:
    if faults:
        told = [f"nothing of {file} was enrolled", *map(str, faults[:FAULTS_MAX])]
        if len(faults) > FAULTS_MAX:
            told.append(f"and {len(faults) - FAULTS_MAX:,} more")
        raise click.ClickException("\n".join(told))
