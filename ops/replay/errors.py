"""What can go wrong in a replay.

ReplayError
├── FileUnreadable      no file of text in rows and columns
└── FileDamaged         a spreadsheet had it: refused whole, with its findings
"""

from __future__ import annotations

from collections.abc import Sequence

from ops.replay.damage import Finding


class ReplayError(Exception):
    """Root of what a replay raises."""


class FileUnreadable(ReplayError):
    """The file cannot be read as rows and columns; the text says where and why."""


class FileDamaged(ReplayError):
    """The file is damaged as a whole.

    Attributes:
      rows_read: how many rows it has.
      findings: what shows it.
    """

    def __init__(self, rows_read: int, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(finding.text for finding in findings))
        self.rows_read = rows_read
        self.findings = findings
