"""Orders: what officers have a node do, under ids of their own, and the receipts for them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from engine.transaction import Name
from protocol.messages.base import Message
from protocol.messages.commands import CommandTerminals, Register
from protocol.messages.lists import ListApprove, ListPart, ListPublish, ListWithdraw

Action: TypeAlias = (
    ListPart | ListPublish | ListApprove | ListWithdraw | CommandTerminals | Register
)


class Order(Message, frozen=True, tag="order"):
    """Officer to node: do this, once, however often it is sent."""

    id: Name
    action: Action


class Receipt(Message, frozen=True, tag="receipt"):
    """Node to officer: what became of an order; what it says is on disk.

    Attributes:
      result: `waiting`: for a second officer; `busy`: not looked at, send it again.
      code: why it was refused or waits.
      field: the field of the order that is to blame, or empty.
      version: of the list that was published, or 0.
      count: keys that a draft changes, or terminals that a command goes to.
    """

    id: str
    result: Literal["done", "waiting", "refused", "busy"]
    code: str = ""
    field: str = ""
    text: str = ""
    version: int = 0
    count: int = 0
