"""Whom a command trusts that connects to a node by TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import click

ca_option: Final = click.option(
    "--ca",
    envvar="JAKARTA_ONE_CA",
    show_envvar=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Authority of a wss:// node's certificate; if not given, those that the system trusts.",
)


def trusted(ca: Path | None) -> ssl.SSLContext | None:
    """Return whom to trust; None for those that the system trusts.

    Raises:
      click.BadParameter: the file holds no certificate.
    """
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        message = f"{ca} holds no certificate of an authority"
        raise click.BadParameter(message, param_hint="--ca") from error
