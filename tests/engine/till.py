"""A ledger on a day of the rules that come with the program, for worked examples of programmes."""

from __future__ import annotations

from datetime import date

from engine.calendar import day_of_date
from engine.errors import Reason
from engine.transaction import Intent, Issue, TopUp
from tests.engine.ledger import Ledger, wib_ms
from tests.engine.rules_here import LAW

PROOF = b"mac"


class Till(Ledger):
    """A ledger whose rules are those of its clock's day.

    With cards A (registered), U (not registered) and S (stored value), each with Rp100,000, and
    for each of some programmes Rp200,000 in a purse of its own.
    """

    def __init__(self, when: str, *programmes: str) -> None:
        super().__init__()
        self.go_to(when)
        issues = (Issue("A", "account", "dki", registered=True), Issue("U", "account", "dki"))
        for issue in (*issues, Issue("S", "stored", "dki")):
            name = issue.card
            self.done(issue)
            self.done(TopUp(name, 100_000, "dki"))
            for programme in programmes:
                self.done(TopUp(name, 200_000, purse=programme))

    def go_to(self, when: str) -> None:
        """Go to noon of a day, as `2024-01-15`; its rules are in force from then on."""
        day = date.fromisoformat(when)
        self.now_ms = wib_ms(day.year, day.month, day.day, 12)
        self.rules = LAW.purses_on(day_of_date(day))

    def told(self, intent: Intent) -> str:
        """Return why an intent would be refused, with rule and field, or how it is posted."""
        entry = self.dry_run(intent)
        if entry.reason is Reason.NONE:
            return " ".join(["posted", *entry.exceptions])
        return f"{entry.reason} {entry.rule} {entry.detail}"
