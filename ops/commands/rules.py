"""`jakarta-one rules`: what the law says, as the engine has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec
from rich.console import Console
from rich.table import Table

from engine.calendar import date_of_day, day_of
from engine.fares.ride import Fare, NoFare, Ride
from engine.fares.tariff import Tariffs
from engine.rules.kinds import RuleHead, Service
from engine.rules.reading import Fault, RulesInvalid
from engine.rules.rulebook import Rulebook, Version
from ops.commands.pack import pack
from ops.commands.rehearse import rehearse
from ops.network import load_network, network_of, network_option
from ops.node import now_ms
from ops.output import emit, json_option
from ops.rulebook import load_rulebook, rulebook_in, rules_option
from ops.values import MOMENT

_HEAD: Final = frozenset(RuleHead.__struct_fields__)

on_option = click.option(
    "--on", "on_ms", type=MOMENT, help="The day: 2026-11-28; WIB. Today if not given."
)


@click.group()
def rules() -> None:
    """Look at the rules: fares, limits, concessions, each with its dates and its article."""


rules.add_command(rehearse)
rules.add_command(pack)


@rules.command()
@rules_option
@network_option
@json_option
@click.pass_context
def check(
    ctx: click.Context, rules_in: Path | None, networks: Sequence[Path], *, as_json: bool
) -> None:
    """Check instruments and networks: every field, and that no two of them contradict each other.

    Each fault is told with its file, line and rule; the exit status is 1 if there is one.

    \b
    Example:
      jakarta-one rules check --rules DECREES --network STATIONS
    """
    faults: list[Fault] = []
    counts = {"instruments": 0, "versions": 0, "networks": 0, "lines": 0}
    try:
        rulebook = load_rulebook(rules_in)
        counts |= {"instruments": len(rulebook.instruments), "versions": len(_all(rulebook))}
    except RulesInvalid as invalid:
        faults += invalid.faults
    try:
        loaded = load_network(networks)
        sources = len(loaded.files) + len(loaded.feeds)
        counts |= {"networks": sources, "lines": len(loaded.network.services)}
    except RulesInvalid as invalid:
        faults += invalid.faults
    told: dict[str, object] = {
        "valid": not faults,
        **counts,
        "faults": [fault._asdict() for fault in faults],
    }
    emit(told, as_json=as_json, render=partial(_render_check, counts=counts, faults=faults))
    ctx.exit(1 if faults else 0)


@rules.command(name="list")
@rules_option
@on_option
@click.option("--all", "every", is_flag=True, help="All versions, also those of other days.")
@json_option
def list_rules(rules_in: Path | None, on_ms: int | None, *, every: bool, as_json: bool) -> None:
    """List the rules that hold on a day.

    \b
    Example:
      jakarta-one rules list --on 2022-10-04
    """
    rulebook = rulebook_in(rules_in)
    versions = list(_all(rulebook)) if every else rulebook.in_force(_day(on_ms))
    told = {
        "on": None if every else date_of_day(_day(on_ms)).isoformat(),
        "rules": [_row(v) for v in versions],
    }
    emit(told, as_json=as_json, render=partial(_render_list, versions=versions))


@rules.command()
@click.argument("rule")
@rules_option
@on_option
@json_option
def explain(rule: str, rules_in: Path | None, on_ms: int | None, *, as_json: bool) -> None:
    """Tell all about a rule, in Indonesian and in English: on a day, or in all its versions.

    \b
    Example:
      jakarta-one rules explain fare.integrated
    """
    rulebook = rulebook_in(rules_in)
    versions: Sequence[Version] = rulebook.versions(rule)
    if not versions:
        raise click.BadParameter(f"there is no rule {rule}", param_hint="RULE")
    if on_ms is not None:
        found = rulebook.on(rule, _day(on_ms))
        if found is None:
            raise click.ClickException(f"{rule} did not hold on {date_of_day(_day(on_ms))}")
        versions = [found]
    told = {"rule": rule, "versions": [_whole(version) for version in versions]}
    emit(told, as_json=as_json, render=partial(_render_explain, versions=versions))


@rules.command()
@click.argument("service", type=click.Choice(get_args(Service)))
@click.argument("origin")
@click.argument("destination")
@click.option(
    "--at",
    "at_ms",
    type=MOMENT,
    help="When the ride begins: 2026-11-28T06:40; WIB. Now if not given.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, max=24 * 60),
    default=20,
    show_default=True,
    help="How long it takes.",
)
@network_option
@rules_option
@json_option
def fare(
    service: Service,
    origin: str,
    destination: str,
    at_ms: int | None,
    minutes: float,
    networks: Sequence[Path],
    rules_in: Path | None,
    *,
    as_json: bool,
) -> None:
    """Tell what one ride costs from ORIGIN to DESTINATION, and why.

    Stations are named as in the fare table of a service or in its network, stops as in the feed.

    \b
    Example:
      jakarta-one rules fare mrt "Blok M" "Bundaran HI" --at 2026-11-28T06:40
    """
    rulebook = rulebook_in(rules_in)
    began_ms = now_ms() if at_ms is None else at_ms
    ride = Ride(service, began_ms, origin, began_ms + int(minutes * 60_000), destination)
    network = network_of(networks)
    try:
        found = Tariffs(rulebook, network).at(began_ms).price_of(service).of_ride(ride)
    except NoFare as error:
        serves = network.serves(service)
        raise click.ClickException(_why_no_fare(error, service, serves=serves)) from error
    version = rulebook.on(found.rule.partition("@")[0], day_of(began_ms))
    assert version is not None, "a fare cites the rule of its day"
    told = {"amount_rp": found.amount_rp, "inputs": found.inputs, "rule": _whole(version)}
    emit(told, as_json=as_json, render=partial(_render_fare, found=found, version=version))


def _why_no_fare(error: NoFare, service: Service, *, serves: bool) -> str:
    if error.reason == "fare_unknown":
        return f"no rule holds for {service} on that day"
    needs = "" if serves else f"; a fare by distance needs --network, with the lines of {service}"
    return f"{error.rule} does not know the {error.field}{needs}"


def _all(rulebook: Rulebook) -> list[Version]:
    return [version for rule_id in rulebook.ids for version in rulebook.versions(rule_id)]


def _day(on_ms: int | None) -> int:
    return day_of(now_ms() if on_ms is None else on_ms)


# --- telling ------------------------------------------------------------------------------------


def _until(version: Version) -> str | None:
    return None if version.last_day is None else date_of_day(version.last_day).isoformat()


def _row(version: Version) -> dict[str, object]:
    rule = version.rule
    return {
        "rule": rule.version,
        "kind": rule.__struct_config__.tag,
        "since": rule.valid_from.isoformat(),
        "until": _until(version),
        "grade": rule.grade,
        "enabled": rule.enabled,
        "instrument": version.instrument.head.id,
        "says_id": rule.says_id,
        "says_en": rule.says_en,
    }


def _figures(version: Version) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(version.rule)
    return {
        name: value
        for name, value in fields.items()
        if name not in {*_HEAD, "kind"} and value is not None
    }


def _whole(version: Version) -> dict[str, object]:
    head, rule = version.instrument.head, version.rule
    return {
        **_row(version),
        "title": head.title,
        "about_id": head.about_id,
        "about_en": head.about_en,
        "article": rule.article,
        "source": rule.source,
        "place": version.place,
        "figures": _figures(version),
    }


def _render_check(console: Console, counts: Mapping[str, int], faults: Sequence[Fault]) -> None:
    for fault in faults:
        console.print(str(fault), highlight=False, markup=False, soft_wrap=True)
    if not faults:
        rules = "{versions} versions of rules in {instruments} instruments".format_map(counts)
        lines = "{lines} lines in {networks} networks".format_map(counts)
        console.print(f"{rules}, {lines}: all are valid")


def _render_list(console: Console, versions: Sequence[Version]) -> None:
    table = Table("rule", "until", "", "instrument", box=None, pad_edge=False)
    for version in versions:
        rule = version.rule
        off = "" if rule.enabled else " (off)"
        table.add_row(
            rule.version + off, _until(version) or "", rule.grade, version.instrument.head.id
        )
    console.print(table)


def _render_fare(console: Console, found: Fare, version: Version) -> None:
    rule = version.rule
    lines = [
        f"Rp{found.amount_rp:,} by {found.rule}",
        f"  {version.instrument.head.title}, {rule.article}",
        f"  {rule.says_id}",
        f"  {rule.says_en}",
    ]
    lines += [f"    {name} = {value}" for name, value in found.inputs.items()]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _render_explain(console: Console, versions: Sequence[Version]) -> None:
    for version in versions:
        rule, head = version.rule, version.instrument.head
        until = f"to {_until(version)}" if version.last_day is not None else "on"
        lines = [
            f"{rule.version}, from {rule.valid_from} {until}, grade {rule.grade}",
            f"  {head.title}, {rule.article}",
            f"  ({head.about_id}; {head.about_en})",
            f"  {rule.says_id}",
            f"  {rule.says_en}",
            f"  source: {rule.source} ({version.place})",
        ]
        for name, value in _figures(version).items():
            lines += _shown(name, value)
        console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _shown(name: str, value: object) -> list[str]:
    """Return the lines of a figure; each row of a table has a line of its own."""
    if not isinstance(value, list | tuple):
        return [f"    {name} = {value}"]
    if not any(isinstance(row, Mapping | list | tuple) for row in value):
        return [f"    {name} = {', '.join(map(str, value))}"]
    rows = (row.values() if isinstance(row, Mapping) else row for row in value)
    return [f"    {name}:", *(f"      {', '.join(map(str, row))}" for row in rows)]
