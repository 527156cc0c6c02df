"""Numbers of cards: fifteen digits and one that checks them.

Source: ISO/IEC 7812-1, annex B (the check digit).
"""

from __future__ import annotations

from typing import Final

import click

DIGITS: Final = 16


def check_digit(digits: str) -> str:
    """Return the digit that makes a number whole."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of its two digits
    return str(-total % 10)


class CardNumber(click.ParamType[str]):
    """A number of a card, its last digit right."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Refuse what is no number of a card."""
        text = str(value).replace(" ", "")
        if len(text) != DIGITS or not (text.isascii() and text.isdigit()):
            self.fail(f"{value} has not sixteen digits", param, ctx)
        if text[-1] != check_digit(text[:-1]):
            right = text[:-1] + check_digit(text[:-1])
            self.fail(f"{value}: its last digit is wrong; {right} would be right", param, ctx)
        return text


CARD_NUMBER: Final = CardNumber()
