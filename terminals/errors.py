"""What can go wrong at the terminal's end.

TerminalError
├── LinkLost            the connection ended; the client makes a new one by itself
├── NodeUnreachable     no session for longer than the client's patience
├── NodeRefused         the node will not have this terminal, or what it sends: code and field
├── NodeMisbehaved      what the node sends is not of the protocol
├── ClientClosed        something was asked of a client that has ended
├── KeyFileError        a file that holds no key
├── KeeperFailed        the terminal's own disk does not take, or give, what it should
├── ListUnusable        a list file that is none, or not the one that was offered
├── ReaderFailed        a card reader, or the PC/SC service, does not do its part
├── CardGone            the card left, or answered nothing
├── CardMute            something lies on the reader that does not answer
└── WorkStopped         the work with a card was to end before its next command
"""

from __future__ import annotations


class TerminalError(Exception):
    """Root of the terminal's exceptions."""


class LinkLost(TerminalError):
    """The connection to the node ended, or could not be made.

    Attributes:
      code: the websocket close code; 1006 when there was none.
    """

    def __init__(self, text: str, *, code: int = 1006) -> None:
        super().__init__(text)
        self.code = code


class NodeUnreachable(TerminalError):
    """The node has not let this terminal in for longer than the client's patience."""


class NodeRefused(TerminalError):
    """The node will not have this terminal or what it sends; to try again is of no use.

    Attributes:
      code: the stable code of the refusal.
      field: the field that it is about, or the empty text.
    """

    def __init__(self, code: str, field: str, text: str) -> None:
        super().__init__(f"{code} {field}: {text}" if field else f"{code}: {text}")
        self.code = code
        self.field = field


class NodeMisbehaved(TerminalError):
    """What the node sends is not of the protocol."""


class ClientClosed(TerminalError):
    """The client has ended: it sends nothing any more."""


class KeyFileError(TerminalError):
    """The file holds no key; the text names it and says why."""


class KeeperFailed(TerminalError):
    """The disk of the terminal does not do its part; the text names the record and says why."""


class ListUnusable(TerminalError):
    """A list file is none, or not what was offered; the text says what is wrong with it."""


class ReaderFailed(TerminalError):
    """A card reader, or the PC/SC service, does not do its part; the text names it and says why.

    Out of `transmit` it leaves open what the card did, as `CardGone` does.
    """


class CardGone(TerminalError):
    """The card left, or answered nothing: what it did with the last command is not known."""


class CardMute(TerminalError):
    """Something lies on the reader that does not answer: two cards at once, or none that works.

    Nothing was said to it. Whoever holds it is asked to present one card only.
    """


class WorkStopped(TerminalError):
    """The work with a card was to end before its next command; the card was not sent that one."""
