"""Tries one rule after the other, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import trio
from msgspec import Struct

from ops.conformance.errors import NotTried, RuleBroken
from ops.conformance.kit import Kit
from ops.conformance.limits import RULE_S_MAX
from ops.conformance.rules import GroundT, Rule

Verdict: TypeAlias = Literal["passed", "failed", "skipped"]


class Tried(Struct, frozen=True):
    """What came of a rule.

    Attributes:
      why: what the other side did instead, or why the rule was not tried.
    """

    id: str
    name: str
    verdict: Verdict
    why: str
    took_s: float
    sentence: str


OnTried: TypeAlias = Callable[[Tried], None]


async def try_rules(
    kit: Kit, rules: Sequence[Rule[Kit]], *, slow: bool, on_tried: OnTried
) -> list[Tried]:
    """Try rules on a node, those that take long together at the end.

    Args:
      kit: what to try them with.
      rules: which.
      slow: also those that take long.
      on_tried: told of each, as it is done.
    """
    async with kit.session() as peer:
        capabilities = peer.ready["capabilities"]
    done: dict[str, Tried] = {}

    async def attempt(rule: Rule[Kit]) -> None:
        why_not = ""
        if rule.capability and rule.capability not in capabilities:
            why_not = f"the node does not name `{rule.capability}` in `ready`"
        elif rule.slow and not slow:
            why_not = "it takes long: --slow tries it"
        done[rule.id] = await try_rule(rule, kit, why_not)
        on_tried(done[rule.id])

    for rule in rules:
        if not rule.slow:
            await attempt(rule)
    async with trio.open_nursery() as nursery:
        for rule in rules:
            if rule.slow:
                nursery.start_soon(attempt, rule)
    return [done[rule.id] for rule in rules]


async def try_rule(rule: Rule[GroundT], ground: GroundT, why_not: str = "") -> Tried:
    """Try a rule, unless there is a reason not to; return what came of it."""
    began_s = trio.current_time()
    verdict, why = await _verdict(rule, ground, why_not)
    took_s = round(trio.current_time() - began_s, 3)
    return Tried(rule.id, rule.name, verdict, why, took_s, rule.sentence)


async def _verdict(rule: Rule[GroundT], ground: GroundT, why_not: str) -> tuple[Verdict, str]:
    if why_not:
        return "skipped", why_not
    try:
        with trio.fail_after(RULE_S_MAX):
            await rule.trial(ground)
    except NotTried as reason:
        return "skipped", str(reason)
    except RuleBroken as broken:
        return "failed", str(broken)
    except trio.TooSlowError:
        return "failed", f"it was not over after {RULE_S_MAX:g} s"
    except (LookupError, TypeError, ValueError) as surprise:
        # What was sent has the right shape, and yet not what was asked for.
        return "failed", f"{type(surprise).__name__}: {surprise}"
    return "passed", ""
