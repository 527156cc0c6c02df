"""`jakarta-one virtual-card`: cards that are only software, in a virtual reader of PC/SC."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from ops.endings import Interrupted, interruptible
from ops.output import emit, json_option
from ops.values import Written
from ops.virtual_card.card import Tear, VirtualCard
from ops.virtual_card.image_file import ImageFile, NotKept
from ops.virtual_card.rack import Placed, Rack
from ops.virtual_card.vpcd import CONNECT_S_MAX, PORT, NoReader
from protocol.chip.diversify import UID_BYTES

SLOTS_MAX: Final = 16
"""Readers that pcscd knows at most."""
_NXP: Final = b"\x04"
"""The first byte of the UIDs of this maker."""


def _uid(text: str) -> bytes:
    try:
        uid = bytes.fromhex(text)
    except ValueError:
        uid = b""
    if len(uid) != UID_BYTES:
        raise ValueError(f"expected {UID_BYTES} bytes in hex")
    return uid


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the driver listens.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535 - SLOTS_MAX),
    default=PORT,
    show_default=True,
    help="Of the first slot; each further one is one above.",
)
@click.option(
    "--card",
    "files",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="File that keeps a card, one for each slot; made if there is none.",
)
@click.option(
    "--slots",
    type=click.IntRange(1, SLOTS_MAX),
    default=1,
    show_default=True,
    help="Cards in all; those without a file are gone in the end.",
)
@click.option("--uid", type=Written("hex", _uid), help="UID of the first card, if it is made now.")
@click.option(
    "--tear-after",
    type=click.IntRange(min=0),
    help="Take the first card out instead of its answer to the command after so many.",
)
@click.option(
    "--tear-done/--tear-undone",
    default=False,
    show_default=True,
    help="Whether the card does that command first.",
)
@json_option
def virtual_card(
    host: str,
    port: int,
    files: Sequence[Path],
    slots: int,
    uid: bytes | None,
    tear_after: int | None,
    *,
    tear_done: bool,
    as_json: bool,
) -> None:
    """Put cards that are only software into the virtual reader of pcscd (vsmartcard-vpcd).

    They are as they leave the factory, with keys of zeros, or as their files have kept them. A file
    has the keys of its card in it, open: this is for tests and demonstrations. What it prints tells
    that the cards are in the reader; SIGTERM and Ctrl-C take them out and end it with status 0.

    \b
    Examples:
      jakarta-one virtual-card
      jakarta-one virtual-card --card siti.card --card budi.card --json
    """
    paths = [*files, *[None] * (slots - len(files))]
    if len(paths) > SLOTS_MAX:
        raise click.UsageError(f"{len(paths)} cards, and pcscd knows {SLOTS_MAX} readers at most")
    try:
        placed = [
            _placed(path, port + slot, uid if slot == 0 else None)
            for slot, path in enumerate(paths)
        ]
        if tear_after is not None:
            placed[0].card.tear = Tear(tear_after, tear_done)
        rack = Rack(placed, host, connect_s_max=CONNECT_S_MAX)
        with interruptible():
            rack.run(lambda: _tell(placed, paths, as_json=as_json))
    except Interrupted:
        return
    except (NoReader, NotKept) as error:
        raise click.ClickException(str(error)) from error


def _placed(path: Path | None, port: int, uid: bytes | None) -> Placed:
    file = ImageFile(path) if path else None
    card = file.load(chance=os.urandom) if file else None
    if card is None:
        card = VirtualCard(uid or _NXP + os.urandom(UID_BYTES - 1), chance=os.urandom)
        if file:
            file.save(card)
    elif uid is not None and uid != card.uid:
        raise click.UsageError(f"{path} holds the card {card.uid.hex().upper()}, not that of --uid")
    return Placed(card, port, file)


def _tell(placed: Sequence[Placed], paths: Sequence[Path | None], *, as_json: bool) -> None:
    cards = [
        {"uid": each.card.uid.hex().upper(), "port": each.port, "file": path and str(path)}
        for each, path in zip(placed, paths, strict=True)
    ]

    def render(console: Console) -> None:
        for card in cards:
            kept = f", kept in {card['file']}" if card["file"] else ""
            console.print(
                f"card {card['uid']} at port {card['port']}{kept}", highlight=False, soft_wrap=True
            )

    emit({"cards": cards}, as_json=as_json, render=render)
