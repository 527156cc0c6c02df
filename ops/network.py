"""The network that fares use: the parts that come with the program, and those of an operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from engine.fares.lines import LineNetwork, Part
from engine.fares.network_file import NetworkFile, check_networks, networks_by_file
from engine.rules.reading import Fault, RulesInvalid
from ops.gtfs import is_gtfs, read_gtfs
from ops.shipped import coming_with, texts_beside

network_option = click.option(
    "--network",
    "networks",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="Network beside those that come with the program: a file, a folder of files, or a folder "
    "of a GTFS feed. May be given several times.",
)
"""Adds `--network PATH` to a command, passed to it as `networks`."""


class LoadedNetwork(NamedTuple):
    """A network, and what it was joined from: files of our own form, and feeds."""

    network: LineNetwork
    files: list[NetworkFile]
    feeds: list[Part]


def network_of(paths: Iterable[Path]) -> LineNetwork:
    """Return the network as `load_network` does, for a command.

    Raises:
      click.ClickException: it cannot be used; it says why, a line for each fault.
    """
    try:
        return load_network(paths).network
    except RulesInvalid as invalid:
        raise click.ClickException(str(invalid)) from invalid


def load_network(paths: Iterable[Path] = ()) -> LoadedNetwork:
    """Return the network that comes with the program, joined with others.

    Of two files with the same name, the later one takes the place of the other.

    Args:
      paths: files `*.toml`, folders of such files, folders of GTFS feeds.

    Raises:
      RulesInvalid: with everything that is wrong with them.
    """
    feeds: list[Part] = []
    found, lost = list[Path](), list[Fault]()
    for path in paths:
        try:
            if is_gtfs(path):
                feeds.append(read_gtfs(path))
            else:
                found += _files(path)
        except RulesInvalid as invalid:
            lost += invalid.faults
    texts, faults = texts_beside(coming_with("engine.fares", "networks"), found)
    faults += lost
    files: list[NetworkFile] = []
    try:
        files = networks_by_file(texts)
    except RulesInvalid as invalid:
        faults += invalid.faults
    if faults:
        raise RulesInvalid(sorted(faults))
    network = LineNetwork([*(file.part for file in files), *feeds])
    check_networks(files, network)
    return LoadedNetwork(network, files, feeds)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    found = sorted(path.glob("*.toml"))
    if not found:
        what = "there is neither a file *.toml nor a GTFS feed in this folder"
        raise RulesInvalid([Fault(str(path), 1, "", what)])
    yield from found
