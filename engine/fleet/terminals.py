"""What is known of a terminal, and how it is."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from engine import limits
from engine.transaction import Name, OptionalName

TerminalKind: TypeAlias = Literal["", "gate", "bus", "shop", "kiosk", "service"]
"""What kind of device it is; empty: nobody has said."""

ReaderState: TypeAlias = Literal["", "ok", "degraded", "failed"]
"""How the card reader of a terminal is; empty: it does not say."""

Battery: TypeAlias = Annotated[int, Meta(ge=-1, le=100)]
"""Per cent; -1: it has none, or does not say."""

NO_BATTERY: Final = -1


class Selection(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Which terminals are meant: all that meet every condition which is not empty.

    Attributes:
      terminals: by name.
      everybody: has to be true where there is no condition: nobody restarts a city by leaving
        something out.
    """

    terminals: Annotated[tuple[Name, ...], Meta(max_length=limits.TERMINALS_NAMED_MAX)] = ()
    kind: TerminalKind = ""
    place: OptionalName = ""
    operator: OptionalName = ""
    everybody: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it has no condition."""
        return not (self.terminals or self.kind or self.place or self.operator)
