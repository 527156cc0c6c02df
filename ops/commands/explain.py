"""`jakarta-one explain`: why a transaction became what it became."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import click
from rich.console import Console

from ops.output import emit, json_option
from ops.remote import Remote, at_node, remote_options
from ops.values import TRANSACTION, printable
from terminals.client import TerminalClient
from terminals.messages import AnswerBody, Explanation, Failed

PARTS: Final = {
    "input": ("Masukan", "What came in"),
    "tried": ("Aturan yang diperiksa", "Rules that were tried"),
    "rejected": ("Kemungkinan lain yang ditolak", "Alternatives that were rejected"),
    "outcome": ("Hasil", "What came of it"),
    "cheaper": ("Yang lebih murah", "What would have been cheaper"),
}


@click.command()
@click.argument("transaction", type=TRANSACTION)
@click.option("--lang", type=click.Choice(["id", "en"]), help="One language. Both if not given.")
@remote_options
@json_option
def explain(
    transaction: tuple[str, int], lang: str | None, remote: Remote, *, as_json: bool
) -> None:
    """Tell why a TRANSACTION, as TERMINAL/COUNTER, became what it became.

    What came in, which rules were tried, each with its article, which alternatives were rejected
    and why, what came of it, and what would have been cheaper; in Indonesian and in English.

    \b
    Example:
      jakarta-one explain GATE-0142/20260
    """
    terminal, counter = transaction

    async def ask(client: TerminalClient) -> AnswerBody:
        return await client.query(["explain", terminal, counter])

    answer = at_node(remote, ask)
    if isinstance(answer, Failed):
        raise click.ClickException(f"{terminal}/{counter}: {answer.text}")
    if not isinstance(answer, Explanation):
        raise click.ClickException(f"{terminal}/{counter}: the node answers something else")
    told = {
        "terminal": terminal,
        "counter": counter,
        "position": answer.position,
        "lines": [line._asdict() for line in answer.lines],
    }
    emit(told, as_json=as_json, render=lambda console: _render(console, answer, lang))


def _render(console: Console, answer: Explanation, lang: str | None) -> None:
    languages = ("id", "en") if lang is None else (lang,)
    for part, lines in groupby(answer.lines, key=lambda line: line.part):
        titles = PARTS.get(part, (part, part))
        title = " / ".join(titles[("id", "en").index(each)] for each in languages)
        console.print(title, style="bold", highlight=False, markup=False)
        for line in lines:
            texts = [line.text_id if each == "id" else line.text_en for each in languages]
            shown = "\n    ".join(map(printable, texts))
            console.print(f"  - {shown}", highlight=False, markup=False, soft_wrap=True)
            if line.rule:
                cited = f"{line.rule}: {line.article}" if line.article else line.rule
                console.print(
                    f"    [{cited}]", highlight=False, markup=False, soft_wrap=True, style="dim"
                )
