"""`jakarta-one schema`: the terminal protocol as data."""

from __future__ import annotations

import click

from protocol.schema import rendered
from protocol.schema import schema as made


@click.command()
def schema() -> None:
    """Print the terminal protocol as JSON Schema: messages, records, codes, limits, roles.

    docs/protocol.schema.json is what this prints.

    \b
    Example:
      jakarta-one schema
    """
    click.echo(rendered(made()))
