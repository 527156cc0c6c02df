"""What can go wrong in a tree of actors.

    ActorError
    ├── Escalation           a supervisor gives up; its parent decides
    │   ├── BudgetSpent      a child failed more often than its intensity allows
    │   └── FatalFailure     a child failed in a way that is never retried, at any level
    ├── StartTimeout         a child was not ready in time
    ├── UnexpectedExit       a permanent child returned
    ├── MailboxClosed        nothing will come out of this mailbox any more
    └── Bug                  the library was called in a way it does not allow

What a child itself raises stands as `__cause__` of the escalation.
"""

from __future__ import annotations

from actors.runtime.trace import End


class ActorError(Exception):
    """Root of the runtime's exceptions."""


class Escalation(ActorError):
    """A supervisor gives up.

    Attributes:
      supervisor: who gives up.
      child: because of whom.
      history: how the last lives of this child ended, oldest first.
    """

    def __init__(self, supervisor: str, child: str, history: tuple[End, ...]) -> None:
        lives = "; ".join(f"{end.at_s:.3f} s {end.reason}" for end in history)
        super().__init__(f"{supervisor} gives up on {child}: {lives}")
        self.supervisor = supervisor
        self.child = child
        self.history = history


class BudgetSpent(Escalation):
    """A child failed more often within its period than its intensity allows."""


class FatalFailure(Escalation):
    """A child failed in a way that its spec calls fatal: no supervisor above retries it."""


class StartTimeout(ActorError):
    """A child was not ready within its start_timeout_s."""


class UnexpectedExit(ActorError):
    """A permanent child returned, though nobody had told it to stop."""


class MailboxClosed(ActorError):
    """The mailbox was closed: nothing will come out of it any more."""


class Bug(ActorError):
    """The library was called in a way it does not allow: a defect of the caller."""
