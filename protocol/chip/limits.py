"""Every bound of the talk with a chip, with its reason beside it."""

from __future__ import annotations

from typing import Final

COMMAND_BYTES_MAX: Final = 255
"""Data of one command: what a short Lc counts."""

FRAME_BYTES_MAX: Final = 256
"""Data of one frame of an answer: what a short Le asks for at most."""

ANSWER_BYTES_MAX: Final = 8 * 1024
"""All frames of one answer; a file of the cards that are used here has no more than 256 bytes."""

COMMANDS_MAX: Final = 0xFFFF
"""Of one session: the counter has two bytes, and the answer to the last command takes FFFF."""
