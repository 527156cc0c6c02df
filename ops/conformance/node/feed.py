"""Section 20: services and observers follow the journal."""

from __future__ import annotations

from typing import Any, Final

import trio

from ops.conformance.errors import check, check_equal
from ops.conformance.keys import OBSERVER, OPERATOR, SERVICE
from ops.conformance.kit import Kit
from ops.conformance.peer import Fields, Peer, fields, told
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(20, "The feed: following the journal", capability="feed")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
ACCOUNTS: Final[dict[str, int]] = SCHEMA["x-accounts"]
FAR: Final = 2**53 - 1
NEWS_S_MAX: Final = 8.0
"""The few seconds within which news of the position comes, however little is wanted."""
PSEUDONYM_LENGTH: Final = 17
SMALL: Final = ["tap", "C", 0, "o", "in"]


class Follower:
    """A subscription, as its follower sees it.

    Args:
      peer: its connection.

    Attributes:
      entries: by position, in the order in which they came.
      next: where to go on.
      head: where the journal ended.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.entries: dict[int, Fields] = {}
        self.next = self.head = 0
        self._id = 0

    async def subscribe(self, position: int, *conditions: list[str], number: int = 7) -> None:
        """Follow from a position on."""
        self._id, self.next = number, position
        await self.peer.say("subscribe", number, position, list(conditions))

    async def hear(self) -> None:
        """Take the next message of the feed."""
        feed = await self.peer.hear("feed")
        check_equal("the id of the feed", feed["id"], self._id)
        most = LIMITS["feed_entries_max"]
        check(len(feed["entries"]) <= most, f"{len(feed['entries'])} entries in one message")
        for values in feed["entries"]:
            found = fields("record.feed_entry", values)
            position = found["position"]
            behind = self.next <= position < feed["next"]
            check(behind, f"{position} comes between {self.next} and {feed['next']}")
            check(position > max(self.entries, default=-1), "the order is not that of the journal")
            self.entries[position] = fields("record.entry", found["entry"])
        check(feed["next"] >= self.next, f"next goes back from {self.next} to {feed['next']}")
        self.next, self.head = feed["next"], feed["head"]

    async def catch_up(self, position: int) -> list[Fields]:
        """Follow until everything before a position has come; return the entries."""
        while self.next < position:
            await self.hear()
        return list(self.entries.values())


async def posted(kit: Kit, *intents: list[Any]) -> list[Fields]:
    """Have a service post intents; return the outcomes."""
    async with kit.session(SERVICE) as desk:
        return await desk.posted(*intents)


@SECTION.rule("every entry that is on disk, in the order of the journal, from")
async def _entries_come_in_the_order_of_the_journal(kit: Kit) -> None:
    card = await kit.card(10_000)
    taps = [["tap", card, amount_rp, "transjakarta", "in"] for amount_rp in (1, 2, 3)]
    outcomes = await posted(kit, *taps)
    async with kit.session(SERVICE) as peer:
        follower = Follower(peer)
        await follower.subscribe(outcomes[0]["position"])
        found = await follower.catch_up(outcomes[-1]["position"] + 1)
        check_equal("the intents", [entry["intent"][:5] for entry in found], taps)
        check_equal("the first position", min(follower.entries), outcomes[0]["position"])
        balances = [entry["balance_rp"] for entry in found]
        check_equal("the balances", balances, [each["balance_rp"] for each in outcomes])
        check(follower.head >= follower.next, "the journal ends before what was delivered")


@SECTION.rule("for as long as they like.")
async def _what_is_posted_meanwhile_comes_as_well(kit: Kit) -> None:
    async with kit.session(SERVICE) as peer:
        follower = Follower(peer)
        await follower.subscribe(FAR)
        await follower.hear()
        start = follower.head
        await peer.say("unsubscribe", 7)
        await peer.hear("feed_end")
        await follower.subscribe(start)
        while follower.next < follower.head or not follower.next:
            await follower.hear()
        outcome = (await peer_posts(kit))[0]
        await follower.catch_up(outcome["position"] + 1)
        check(outcome["position"] in follower.entries, "what was posted did not come")


async def peer_posts(kit: Kit) -> list[Fields]:
    """Have a terminal tap a card that nobody has; return the outcome."""
    async with kit.session() as peer:
        return await peer.submit(SMALL)


@SECTION.rule("A position behind the")
async def _a_position_behind_the_end_is_no_error(kit: Kit) -> None:
    async with kit.session(SERVICE) as peer:
        await peer.say("subscribe", 7, FAR)
        feed = await peer.hear("feed")
        check_equal("the entries", feed["entries"], [])
        check(feed["head"] < FAR, "the journal is not so long")
        check(feed["next"] >= feed["head"], "it has not caught up")


@SECTION.rule("Refused transactions are entries as well, and are delivered")
async def _what_was_refused_is_delivered(kit: Kit) -> None:
    outcome = (await peer_posts(kit))[0]
    async with kit.session(SERVICE) as peer:
        follower = Follower(peer)
        await follower.subscribe(outcome["position"])
        found = await follower.catch_up(outcome["position"] + 1)
        check_equal("the reason", found[0]["reason"], "card_unknown")


@SECTION.rule("An entry is about a name that stands in its intent, or that owns an account")
async def _only_what_is_wanted_comes(kit: Kit) -> None:
    card, name = await kit.card(100_000), kit.name
    operator, other, bank, programme = name("OP"), name("OP"), name("BANK"), name("PROGRAMME")
    outcomes = await posted(
        kit,
        ["tap", card, 500, operator, "in"],
        ["tap", card, 500, other, "in"],
        ["top_up", card, 500, bank],
        ["top_up", card, 500, "", 0, "both", programme],
        ["group", [["tap", card, 9, other, "in"], ["share", other, operator, 3]]],
        ["hold", card, 5, "operator", operator, 60_000],
        ["hold", card, 5, "merchant", operator, 60_000],
        ["tap", card, 100, operator, "in", "", "", programme],
    )
    first, last = outcomes[0]["position"], outcomes[-1]["position"]
    wanted: list[tuple[list[list[str]], list[int]]] = [
        ([["hold", "group"]], [4, 5, 6]),
        ([[], [operator]], [0, 4, 5, 7]),
        ([[], [operator, other]], [0, 1, 4, 5, 7]),
        ([[], [], [bank]], [2]),
        ([[], [], [], [programme]], [3, 7]),
        ([["tap"], [operator], [], [programme]], [7]),
        ([["issue"], [operator]], []),
    ]
    async with kit.session(SERVICE) as peer:
        for conditions, numbers in wanted:
            follower = Follower(peer)
            await follower.subscribe(first, *conditions)
            await follower.catch_up(last + 1)
            found = [position - first for position in follower.entries if position <= last]
            check_equal(f"what is wanted of {conditions}", found, numbers)
            await peer.say("unsubscribe", 7)
            await peer.hear("feed_end")


@SECTION.rule("names in one condition of a filter", limits=("filter_names_max",))
async def _a_condition_may_hold_many_names(kit: Kit) -> None:
    most = LIMITS["filter_names_max"]
    async with kit.session(SERVICE) as peer:
        await peer.say("subscribe", 7, FAR, [["tap"] * most, ["o"] * most, ["b"], ["p"]])
        await peer.hear("feed")
        await peer.say("subscribe", 8, FAR, [["tap"] * (most + 1)])
        await peer.ends("field_invalid", "subscribe.filter.kinds")


@SECTION.rule("Nothing comes with that id afterwards, and the id may be used again.")
async def _a_subscription_ends_when_it_is_told(kit: Kit) -> None:
    async with kit.session(SERVICE) as peer:
        for _ in range(2):
            await peer.say("subscribe", 7, FAR)
            await peer.hear("feed")
            await peer.say_all([["unsubscribe", 7], ["unsubscribe", 7], ["unsubscribe", 8]])
            while (message := await peer.hear_any())[0] == "feed":
                check_equal("the id", message[1], 7)
            end = fields("message.feed_end", message)
            check_equal("the end", (message[0], end["id"], end["code"]), ("feed_end", 7, ""))
        await peer_posts(kit)
        await peer.hears_nothing()


@SECTION.rule("not that of a subscription still open")
async def _the_id_of_an_open_subscription_is_taken(kit: Kit) -> None:
    async with kit.session(SERVICE) as peer:
        await peer.say_all([["subscribe", 7, FAR], ["subscribe", 7, FAR]])
        await peer.ends("field_invalid", "subscribe.id")


@SECTION.rule(
    "than the node has room for, are refused with",
    limits=("subscriptions_open_max", "subscribe_retry_ms"),
)
async def _more_subscriptions_than_may_be_open_are_refused(kit: Kit) -> None:
    most = LIMITS["subscriptions_open_max"]
    async with kit.session(SERVICE) as peer:
        for number in range(most + 1):
            await peer.say("subscribe", number, FAR)
        while (message := await peer.hear_any())[0] == "feed":
            check(message[1] < most, "one too many was taken")
        end = fields("message.feed_end", message)
        check_equal("the refusal", (end["id"], end["code"]), (most, "busy"))
        check_equal("when to come again", end["retry_after_ms"], LIMITS["subscribe_retry_ms"])


@SECTION.rule("After a reconnect it subscribes again from there: nothing is skipped")
async def _a_follower_goes_on_where_it_was(kit: Kit) -> None:
    card = await kit.card(10_000)
    taps = [["tap", card, amount_rp, "o", "in"] for amount_rp in (1, 2, 3, 4)]
    outcomes = await posted(kit, *taps)
    position = outcomes[0]["position"]
    found: list[int] = []
    while position <= outcomes[-1]["position"]:
        async with kit.session(SERVICE) as peer:
            follower = Follower(peer)
            await follower.subscribe(position)
            await follower.hear()
            found += follower.entries
            position = follower.next
    wanted = [outcome["position"] for outcome in outcomes]
    check_equal("the positions", found[: len(wanted)], wanted)


@SECTION.rule(
    "Entries come in messages of at most `feed_entries_max`", limits=("feed_entries_max",)
)
async def _many_entries_come_in_several_messages(kit: Kit) -> None:
    most = LIMITS["feed_entries_max"]
    async with kit.session() as peer:
        found = [await peer.submit(*[SMALL] * 300) for _ in range(2)]
    first, last = found[0][0]["position"], found[-1][-1]["position"]
    async with kit.session(SERVICE) as peer:
        follower = Follower(peer)
        await follower.subscribe(first)
        await follower.catch_up(last + 1)
        check(len(follower.entries) > most, f"only {len(follower.entries)} entries came")


@SECTION.rule("while the journal grows every few seconds, however little of it is wanted.")
async def _news_come_where_nothing_is_wanted(kit: Kit) -> None:
    async with kit.session(SERVICE) as peer:
        follower = Follower(peer)
        await follower.subscribe(FAR, ["close"], [kit.name("OP")])
        await follower.hear()
        start = follower.head
        await peer.say("unsubscribe", 7)
        await peer.hear("feed_end")
        await follower.subscribe(start, ["close"], [kit.name("OP")])
        outcome = (await peer_posts(kit))[0]
        with trio.move_on_after(NEWS_S_MAX) as scope:
            await follower.catch_up(outcome["position"] + 1)
        check(not scope.cancelled_caught, f"no news came for {NEWS_S_MAX:g} s")
        check_equal("the entries", follower.entries, {})


@SECTION.rule("The same card has the same pseudonym in every entry")
async def _an_observer_sees_no_card(kit: Kit) -> None:
    card, new = await kit.card(10_000), kit.name()
    proof = b"\x0a\x0b\x0c"
    async with kit.session(OPERATOR) as officer:
        lines = [[ACCOUNTS["suspense"], "purse", -5], [ACCOUNTS["purse"], card, 5]]
        blocked = await officer.posted(
            ["block", card, "lost by Ani"],
            ["unblock", card, "found by Ani"],
            ["adjustment", "ani", "she had it", lines, card],
        )
    await posted(
        kit,
        ["tap", card, 500, "transjakarta", "in", "P1"],
        ["tap", card, 1, "transjakarta", "in", "P1", "", "", proof],
        ["top_up", card, 300, "", 0, "both", "kjp"],
    )
    outcomes = await posted(kit, ["replace", card, new])
    async with kit.session(OBSERVER) as peer:
        follower = Follower(peer)
        await follower.subscribe(blocked[0]["position"])
        found = await follower.catch_up(outcomes[-1]["position"] + 1)
    shown = told_of(found)
    for hidden in (card, new, "Ani", "she had it", repr(proof), "'ani'"):
        check(hidden not in shown, f"{hidden} is shown to an observer")
    check_equal("balances", {entry["balance_rp"] for entry in found}, {0})
    intents = [entry["intent"] for entry in found]
    names = {intent[1] for intent in intents if intent[0] in {"block", "tap", "top_up", "replace"}}
    check_equal("pseudonyms of one card", len(names), 1)
    pseudonym = names.pop()
    check(pseudonym.startswith("*"), f"{pseudonym!r} is no pseudonym")
    check_equal("its length", len(pseudonym), PSEUDONYM_LENGTH)
    tap = next(intent for intent in intents if intent[0] == "tap")
    check_equal("what is no secret", tap[2:6], [500, "transjakarta", "in", "P1"])
    owners = {line[1] for entry in found for line in entry["postings"]}
    check({pseudonym, f"{pseudonym}/kjp"} <= owners, f"the owners are {told(owners)}")


def told_of(entries: list[Fields]) -> str:
    """Return all that entries show."""
    return repr(entries)
