"""Options that several commands have, and groups of which one command is meant."""

from __future__ import annotations

from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

from ops.groups import Showing
from ops.options import ShortText, bundled


class Size(NamedTuple):
    """Two options."""

    width: int
    height: int


size_options = bundled(
    "size",
    Size,
    click.option("--width", type=int, default=1),
    click.option("--height", type=int, default=2),
)


@click.group(cls=Showing, shows="draw")
def figures() -> None:
    """Figures."""


@figures.command()
@click.option("--name", type=ShortText(3), default="")
@size_options
def draw(size: Size, name: str) -> None:
    """Draw one."""
    click.echo(f"{size.width} x {size.height} {name}")


@figures.command()
def count() -> None:
    """Count them."""
    click.echo("none")


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(figures, words)
    return done.exit_code, done.output


def test_bundled_options_come_as_one_argument() -> None:
    assert run("draw", "--height", "7", "--name", "abc") == (0, "1 x 7 abc\n")
    shown = run("draw", "--help")[1]
    assert shown.index("--name") < shown.index("--width") < shown.index("--height")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "1 x 2 \n"),
        (["--width", "3"], "3 x 2 \n"),
        (["count"], "none\n"),
    ],
)
def test_a_group_does_what_is_meant(words: list[str], said: str) -> None:
    assert run(*words) == (0, said)


def test_the_help_of_a_group_is_its_own() -> None:
    status, said = run("--help")
    assert status == 0
    assert "Figures." in said
    assert "Count them." in said


def test_what_is_no_command_is_said_to_be_none() -> None:
    status, said = run("nonsense")
    assert status == 2
    assert "nonsense" in said


def test_a_text_that_is_too_long_is_refused() -> None:
    status, said = run("draw", "--name", "abcd")
    assert status == 2
    assert "longer than 3 characters" in said
