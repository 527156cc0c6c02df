"""Supervision for trio: a small actor library in OTP's words, to be read in an evening.

    async def clerk(life: Life) -> None:        # an actor is an async function
        life.ready()                            # the next child may start
        while not life.stopping.is_set():       # asked for an orderly end
            for letter in await box.get_batch(64):
                answer(letter)                  # what it raises is history; it starts anew

    office = Supervisor(
        "office", [ChildSpec("clerk", clerk, mailbox=box.trace)], report=log, chance=draw
    )
    async with office.running():                # every child is ready
        box.put_nowait(letter, Class.TAP)       # None, or Busy with a time to come again
        office.start_child(ChildSpec("caller", caller, Restart.TEMPORARY))
        print(office.snapshot())                # the whole tree as data
                                                # stopped, last child first

Read it in this order: trace (what a tree tells), budget (how often, how long), spec (the words),
children, supervisor; mailbox stands by itself; errors.
"""

from actors.runtime.budget import Backoff, Chance, Intensity
from actors.runtime.errors import (
    ActorError,
    BudgetSpent,
    Bug,
    Escalation,
    FatalFailure,
    MailboxClosed,
    StartTimeout,
    UnexpectedExit,
)
from actors.runtime.mailbox import Busy, Mailbox, Why
from actors.runtime.spec import ChildSpec, Life, Restart, Strategy
from actors.runtime.supervisor import Reporter, Supervisor
from actors.runtime.trace import (
    CrowdTrace,
    End,
    Ending,
    Event,
    Kind,
    MailboxTrace,
    Node,
    Report,
    State,
)

__all__ = [
    "ActorError",
    "Backoff",
    "BudgetSpent",
    "Bug",
    "Busy",
    "Chance",
    "ChildSpec",
    "CrowdTrace",
    "End",
    "Ending",
    "Escalation",
    "Event",
    "FatalFailure",
    "Intensity",
    "Kind",
    "Life",
    "Mailbox",
    "MailboxClosed",
    "MailboxTrace",
    "Node",
    "Report",
    "Reporter",
    "Restart",
    "StartTimeout",
    "State",
    "Strategy",
    "Supervisor",
    "UnexpectedExit",
    "Why",
]
