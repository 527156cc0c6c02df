"""Reading a part of a network from the text of a TOML file, or all its faults.

[network]             id, title, grade, source, what it is about
[[line]]              service, id, name, stations in order, each with its metres from the one before
[[transfer]]          two places of services between which one may change
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from engine.fares.lines import LineNetwork, Link, Part, Transfer
from engine.limits import NAME_LENGTH_MAX
from engine.rules.kinds import Grade, InstrumentHead, Sentence, Service
from engine.rules.reading import Fault, RulesInvalid, Tables

STEP_M_MAX: Final = 100_000
"""From one station to the next; more is a typing error."""

PlaceName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
"""As the terminals there name it in their taps."""


class NetworkHead(InstrumentHead, frozen=True, kw_only=True):
    """What a part of a network is.

    Attributes:
      grade, source: how sure its figures are, and where they are from.
    """

    grade: Grade
    source: Sentence


class StationOfLine(NamedTuple):
    """A station, and how far it is from the one before."""

    name: PlaceName
    metres: Annotated[int, Meta(ge=0, le=STEP_M_MAX)]


class LineTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a service; trains go both ways."""

    service: Service
    id: PlaceName
    name: Sentence
    stations: Annotated[tuple[StationOfLine, ...], Meta(min_length=2)]

    def __post_init__(self) -> None:
        """Refuse distances before the first station or of nothing, and a station that comes back.

        A line may end where it begins.
        """
        first, *others = self.stations
        if first.metres != 0:
            raise ValueError(f"stations: {first.name} is the first, and {first.metres} m from none")
        for station in others:
            if station.metres == 0:
                raise ValueError(f"stations: {station.name} is 0 m from the one before")
        names = [station.name for station in self.stations]
        for some in (names[:-1], names[1:]):
            for name in some:
                if some.count(name) > 1:
                    raise ValueError(f"stations: {name} stands there twice")


class PlaceOfService(NamedTuple):
    """A place and its service."""

    service: Service
    name: PlaceName


class TransferTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two places between which one may change, in either direction."""

    places: tuple[PlaceOfService, PlaceOfService]

    def __post_init__(self) -> None:
        """Refuse a place that is both."""
        one, other = self.places
        if one == other:
            raise ValueError(f"places: both are {one.name} of {one.service}")


class PlacedLine(NamedTuple):
    """A line of a network, and the line of the file on which it begins."""

    line: LineTable
    at: int


class PlacedTransfer(NamedTuple):
    """A transfer, and the line of the file on which it begins."""

    transfer: TransferTable
    at: int


class NetworkFile(Struct, frozen=True):
    """A part of a network as a file tells it.

    Attributes:
      file: where it was read from.
    """

    head: NetworkHead
    file: str
    lines: tuple[PlacedLine, ...]
    transfers: tuple[PlacedTransfer, ...]

    @property
    def part(self) -> Part:
        """What it tells: the services of its transfers may be changed between nowhere else."""
        return Part(
            lines={line.id: line.service for line, _ in self.lines},
            links=tuple(link for line, _ in self.lines for link in _links(line)),
            transfers=tuple(_transfer(transfer) for transfer, _ in self.transfers),
            only_there=True,
        )


def _links(line: LineTable) -> Iterator[Link]:
    for one, other in pairwise(line.stations):
        yield Link(line.service, one.name, other.name, other.metres)


def _transfer(transfer: TransferTable) -> Transfer:
    one, other = transfer.places
    return (one.service, one.name), (other.service, other.name)


def read_network(text: str, file: str) -> NetworkFile:
    """Return the part of a network that a file holds.

    Args:
      text: of the file.
      file: its name, which ends with `.toml` and begins with the id of the part.

    Raises:
      RulesInvalid: with everything that is wrong with it.
    """
    tables = Tables(text, file, "network", ("line", "transfer"))
    head = tables.head(lambda table: msgspec.convert(table, NetworkHead))
    lines = tables.items("line", lambda table: msgspec.convert(table, LineTable), needed=False)
    transfers = tables.items(
        "transfer", lambda table: msgspec.convert(table, TransferTable), needed=False
    )
    placed_lines = tuple(PlacedLine(line, at) for line, at in lines)
    placed_transfers = tuple(PlacedTransfer(transfer, at) for transfer, at in transfers)
    if not (placed_lines or placed_transfers or tables.faults):
        tables.add(1, "", "there is no table [[line]], nor [[transfer]]")
    if head is not None:
        tables.check_name(head.id)
    tables.refuse()
    assert head is not None, "a head that cannot be read is a fault"
    return NetworkFile(head, file, placed_lines, placed_transfers)


def networks_by_file(texts: Mapping[str, str]) -> list[NetworkFile]:
    """Return the parts of a network in texts by the names of their files.

    Raises:
      RulesInvalid: with everything that is wrong with any of them.
    """
    found: list[NetworkFile] = []
    faults: list[Fault] = []
    for file, text in sorted(texts.items()):
        try:
            found.append(read_network(text, file))
        except RulesInvalid as invalid:
            faults += invalid.faults
    if faults:
        raise RulesInvalid(faults)
    return found


# --- together -----------------------------------------------------------------------------------


def check_networks(networks: Iterable[NetworkFile], joined: LineNetwork) -> None:
    """Check that parts of a network do not contradict each other.

    Args:
      networks: those that were read from files.
      joined: the network that all parts make together, those that are no such files too.

    Raises:
      RulesInvalid: two have the same id or the same line, two lines tell different distances of the
        same stations, or a transfer names a place to which no line of its service comes.
    """
    files = list(networks)
    faults = [*_same_ids(files), *_other_distances(files), *_nowhere(files, joined)]
    if faults:
        raise RulesInvalid(sorted(faults))


def _same_ids(files: Iterable[NetworkFile]) -> Iterator[Fault]:
    networks: dict[str, str] = {}
    lines: dict[str, str] = {}
    for network in files:
        before = networks.setdefault(network.head.id, network.file)
        if before != network.file:
            yield Fault(
                network.file, 1, "", f"the network {network.head.id} is in {before} as well"
            )
        for line, at in network.lines:
            place = f"{network.file}:{at}"
            before = lines.setdefault(line.id, place)
            if before != place:
                yield Fault(network.file, at, line.id, f"id: there is such a line at {before}")


def _other_distances(files: Iterable[NetworkFile]) -> Iterator[Fault]:
    told: dict[tuple[str, frozenset[str]], tuple[int, str]] = {}
    lines = [(network.file, line, at) for network in files for line, at in network.lines]
    for file, line, at in lines:
        for link in _links(line):
            pair = link.service, frozenset((link.one, link.other))
            metres, place = told.setdefault(pair, (link.metres, f"{file}:{at}"))
            if metres != link.metres:
                what = f"{link.one} - {link.other} is {link.metres} m, {metres} m at {place}"
                yield Fault(file, at, line.id, f"stations: {what}")


def _nowhere(files: Iterable[NetworkFile], joined: LineNetwork) -> Iterator[Fault]:
    for network in files:
        for number, (transfer, at) in enumerate(network.transfers, 1):
            # Without a line nothing is known of a service: its network may be elsewhere.
            served = [place for place in transfer.places if joined.serves(place.service)]
            for service, name in (place for place in served if not joined.knows(*place)):
                what = f"places: no line of {service} comes to {name}"
                yield Fault(network.file, at, f"transfer {number}", what)
