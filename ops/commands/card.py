"""`jakarta-one card`: make cards, look at them, and make them new again, at a reader on a desk."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Final

import click
from rich.console import Console

from engine.calendar import date_of_day, day_of, day_of_date
from ops.chip_keys import (
    ChipKeyPlace,
    chip_failures_told,
    chip_key_options,
    file_card_keys,
    opened_card_keys,
)
from ops.node import now_ms
from ops.options import bundled
from ops.output import emit, json_option
from ops.rulebook import NOWHERE, rulebook_in
from ops.terminal.desk import at_reader
from ops.terminal.law import known_places
from ops.terminal.numbers import CARD_NUMBER
from protocol.chip import personalise as bureau
from protocol.chip import purse
from protocol.chip.keys import OpenCardKeys, Role
from protocol.chip.profile import CardFace, Record, Use, place_mark, reader_identity
from protocol.chip.secure import RANDOM_BYTES
from terminals.acceptance.point import Places
from terminals.acceptance.screen import uses_lines
from terminals.acceptance.shown import rupiah
from terminals.acceptance.visit import Talk, readable

BUREAU: Final = "card-bureau"
"""How the desk calls itself in the first record of a card."""

_DATE: Final = click.DateTime(["%Y-%m-%d"])
_GROUPS_MAX: Final = 255


def _place(reader: str, wait: float) -> tuple[str, float]:
    return reader, wait


desk_options = bundled(
    "desk",
    _place,
    click.option("--reader", default="", help="Card reader, by how its name begins.  [else: any]"),
    click.option(
        "--wait",
        type=click.FloatRange(0.1, 3600),
        default=30.0,
        show_default=True,
        help="Seconds to wait for a card.",
    ),
)
"""Adds `--reader` and `--wait` to a command, passed to it as `desk`."""


@click.group()
def card() -> None:
    """Make cards, look at them, and make them new again, at a reader on a desk.

    \b
    Examples:
      jakarta-one card personalise 9360020000000011 --chip-keys bureau.keys
      jakarta-one card inspect --chip-keys gate.keys
    """


@card.command()
@click.argument("number", type=CARD_NUMBER)
@click.option("--expires", type=_DATE, help="Last day of the card.  [else: five years from now]")
@click.option("--group", type=click.IntRange(0, _GROUPS_MAX), default=0, help="Of its holder.")
@click.option("--group-until", type=_DATE, help="Last day on which that holds.")
@click.option(
    "--value", type=click.IntRange(0, 10_000_000), default=0, help="Rupiah, for tests alone."
)
@click.option("--key-version", type=click.IntRange(1, 255), default=1, show_default=True)
@desk_options
@chip_key_options
@json_option
def personalise(  # noqa: PLR0913 - one for each option
    *,
    number: str,
    expires: datetime | None,
    group: int,
    group_until: datetime | None,
    value: int,
    key_version: int,
    desk: tuple[str, float],
    chip_keys: ChipKeyPlace | None,
    as_json: bool,
) -> None:
    """Make a card of ours out of one from the factory, with this NUMBER.

    A card that was taken away in the middle is finished when it is presented again. The node has
    to be told: the UID that is shown goes into the card's `issue`.

    \b
    Example:
      jakarta-one card personalise 9360020000000011 --expires 2031-12-31 --chip-keys bureau.keys
    """
    if group and group_until is None:
        raise click.UsageError("a group holds until a day: --group-until")
    keys = _bureau_keys(chip_keys)
    face = CardFace(
        number,
        key_version,
        _day(expires) if expires else day_of(now_ms()) + 5 * 365,
        group,
        _day(group_until) if group_until else 0,
    )

    def make(talk: Talk) -> tuple[bytes, bool]:
        uid = talk(purse.read_uid())
        issued = Record(Use.ISSUED, now_ms() // 1000, 0, place_mark(0, ""), 0)
        made = bureau.personalise(
            keys, face, uid, issued, reader_identity(BUREAU), os.urandom, value_rp=value
        )
        return uid, talk(made)

    with chip_failures_told():
        uid, changed = at_reader(*desk, make)
    told = {"number": number, "uid": uid.hex().upper(), "changed": changed}

    def render(console: Console) -> None:
        what = "was made" if changed else "was made before"
        console.print(f"card {number} {what}; UID {told['uid']}", highlight=False)

    emit(told, as_json=as_json, render=render)


@card.command()
@desk_options
@chip_key_options
@json_option
def inspect(*, desk: tuple[str, float], chip_keys: ChipKeyPlace | None, as_json: bool) -> None:
    """Show what stands on a card, and change nothing. The keys of a gate suffice.

    \b
    Example:
      jakarta-one card inspect --chip-keys gate.keys
    """
    place = _named(chip_keys)
    with opened_card_keys(place) as keys, chip_failures_told():

        def read(talk: Talk) -> tuple[purse.OpenCard, list[Record], purse.Seen]:
            uid = talk(purse.read_uid())
            drawn = os.urandom(RANDOM_BYTES)
            opened = talk(purse.open_card(keys, Role.DEBIT, uid, drawn))
            records = readable(talk(purse.read_records(opened)))
            return opened, records, talk(purse.look(opened))

        opened, records, seen = at_reader(*desk, read)
    face = opened.face
    told = {
        "number": face.number,
        "uid": opened.uid.hex().upper(),
        "key_version": face.key_version,
        "expires": date_of_day(face.expires_day).isoformat(),
        "group": face.group,
        "group_until": date_of_day(face.group_until_day).isoformat() if face.group else None,
        "value_rp": seen.value_rp,
        "uses": [
            {"use": use.use.name.lower(), "at_s": use.at_s, "amount_rp": use.amount_rp}
            for use in records
        ],
    }

    def render(console: Console) -> None:
        places = Places(known_places(rulebook_in(None), NOWHERE))
        console.print(f"card {face.number}, UID {told['uid']}", highlight=False)
        console.print(f"valid until {told['expires']}, keys {face.key_version}", highlight=False)
        if face.group:
            console.print(f"group {face.group} until {told['group_until']}", highlight=False)
        console.print(f"value {rupiah(seen.value_rp)}", highlight=False)
        for line in uses_lines(records, places):
            console.print(line, highlight=False)

    emit(told, as_json=as_json, render=render)


@card.command(name="group")
@click.argument("number", type=click.IntRange(0, _GROUPS_MAX))
@click.option("--until", type=_DATE, help="Last day on which that holds.")
@desk_options
@chip_key_options
@json_option
def group_of(
    *,
    number: int,
    until: datetime | None,
    desk: tuple[str, float],
    chip_keys: ChipKeyPlace | None,
    as_json: bool,
) -> None:
    """Write the group of its holder on a card, by NUMBER; 0 takes it away.

    \b
    Example:
      jakarta-one card group 4 --until 2027-06-30 --chip-keys bureau.keys
    """
    keys = _bureau_keys(chip_keys)
    if number and until is None:
        raise click.UsageError("a group holds until a day: --until")

    def write(talk: Talk) -> CardFace:
        uid = talk(purse.read_uid())
        until_day = _day(until) if until else 0
        drawn = os.urandom(RANDOM_BYTES)
        return talk(bureau.reface(keys, uid, drawn, group=number, group_until_day=until_day))

    with chip_failures_told():
        face = at_reader(*desk, write)
    told = {"number": face.number, "group": face.group}
    emit(
        told,
        as_json=as_json,
        render=lambda console: console.print(f"card {face.number}: group {face.group}"),
    )


@card.command()
@click.option("--key-version", type=click.IntRange(1, 255), default=1, show_default=True)
@desk_options
@chip_key_options
@json_option
@click.confirmation_option(prompt="All that stands on the card is lost. Go on?")
def reset(
    *, key_version: int, desk: tuple[str, float], chip_keys: ChipKeyPlace | None, as_json: bool
) -> None:
    """Make a card from the factory out of one of ours: for cards of tests alone.

    \b
    Example:
      jakarta-one card reset --chip-keys bureau.keys --yes
    """
    keys = _bureau_keys(chip_keys)

    def clear(talk: Talk) -> tuple[bytes, bool]:
        uid = talk(purse.read_uid())
        return uid, talk(bureau.reset(keys, key_version, uid, os.urandom))

    with chip_failures_told():
        uid, changed = at_reader(*desk, clear)
    told = {"uid": uid.hex().upper(), "changed": changed}
    what = "is as from the factory" if changed else "was from the factory before"
    emit(told, as_json=as_json, render=lambda console: console.print(f"card {told['uid']} {what}"))


def _named(place: ChipKeyPlace | None) -> ChipKeyPlace:
    if place is None:
        raise click.UsageError("give the keys of chips: --chip-keys or --chip-token")
    return place


def _bureau_keys(place: ChipKeyPlace | None) -> OpenCardKeys:
    return file_card_keys(_named(place))


def _day(when: datetime) -> int:
    return day_of_date(when.date())
