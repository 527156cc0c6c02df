"""The command `jakarta-one`.

Commands are imported when they are called: `--help` and `verify` need no websocket library.
"""

from __future__ import annotations

import importlib
from typing import Final

import click

from ops.output import failures_told

_AS_JSON: Final = "jakarta_one.as_json"

_COMMANDS: Final = {
    "serve": "ops.commands.serve",
    "replay": "ops.commands.replay",
    "demo": "ops.commands.demo",
    "bench": "bench.cli",
    "verify": "ops.commands.verify",
    "backup": "ops.commands.backup",
    "restore": "ops.commands.backup",
    "keys": "ops.commands.keys",
    "rules": "ops.commands.rules",
    "exceptions": "ops.commands.exceptions",
    "claim": "ops.commands.claim",
    "owed": "ops.commands.owed",
    "feed": "ops.commands.feed",
    "export": "ops.commands.export",
    "terminals": "ops.commands.terminals",
    "lists": "ops.commands.lists",
    "commands": "ops.commands.commands",
    "terminal": "ops.commands.terminal",
    "shift": "ops.commands.shift",
    "card": "ops.commands.card",
    "chip": "ops.commands.chip",
    "chip-keys": "ops.commands.chip_keys",
    "virtual-card": "ops.commands.virtual_card",
    "tree": "ops.commands.tree",
    "explain": "ops.commands.explain",
    "schema": "ops.commands.schema",
    "conformance": "ops.commands.conformance",
}
"""Name of each command and the module that holds it, in the order of `--help`."""


class _Lazy(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Before anything can be wrong with the rest.
        ctx.meta[_AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        with failures_told(ctx, as_json=ctx.meta[_AS_JSON]):
            return super().invoke(ctx)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name])
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command), f"{cmd_name} is no command"
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jakarta-one")
def main() -> None:
    """Jakarta One: an open transaction engine for a city card.

    \b
    jakarta-one demo                                  watch a morning of the city
    jakarta-one serve --data DIR --listen HOST:PORT   run a node
    """
