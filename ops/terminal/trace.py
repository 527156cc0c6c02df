"""What passed between a terminal and a card: which commands, how long they took; never data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from terminals.pcsc.card_link import Step

_NAMES: Final[dict[int, str]] = {
    0xA4: "Select",
    0xCA: "GetUID of the reader",
    0x71: "AuthenticateEV2First",
    0x77: "AuthenticateEV2NonFirst",
    0xAF: "next frame",
    0x6C: "GetValue",
    0x0C: "Credit",
    0xDC: "Debit",
    0xAB: "ReadRecords",
    0x8B: "WriteRecord",
    0xAD: "ReadData",
    0x8D: "WriteData",
    0xC8: "CommitReaderID",
    0xC7: "CommitTransaction",
    0xA7: "AbortTransaction",
}


class Trace:
    """Writes a line for each command.

    Args:
      write: takes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def __call__(self, step: Step) -> None:
        """Write the line of a command: its data may be somebody's, and is only counted."""
        command, answer = step.command, step.answer
        name = _NAMES.get(command.ins, f"{command.ins:02X}")
        told = "no answer" if answer is None else f"{len(answer.data):3} back  {answer.status:04X}"
        self._write(
            f"trace: {name:22} {len(command.data):3} out  {told}  {step.duration_s * 1000:7.2f} ms"
        )
