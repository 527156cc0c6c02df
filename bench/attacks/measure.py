"""One attack: what it costs the node, and what the terminals beside it feel."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from bench.attacks.beside import NEWCOMERS, Beside, Felt, newcomer
from bench.attacks.catalogue import ATTACKS, KEY, name_of
from bench.attacks.crowd import OPEN
from bench.errors import BenchError
from bench.machine import Pins
from bench.setting import Bench
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore

TURNED_AWAY: Final = frozenset({OPEN, "503", "not connected", "4004 handshake_timeout"})
"""How any connection may end when too many come: there was no room for it, or not for long."""

MEMORY_MIB: Final = 24
"""What a node may grow by in a few seconds of taps, whoever attacks it."""

_CROWD_S_MAX: Final = 30.0
"""For a crowd to start, and to end after its time."""


class Finding(Struct, frozen=True):
    """What one attack came to.

    Attributes:
      name: of the attack.
      what: the peers do.
      peers: at the same time.
      ends: how often their connections ended in each way.
      before: what the well-behaved felt without the attack.
      during: and with it.
      newcomers_s: what honest terminals needed to come in meanwhile.
      rss_before_mib: memory of the node before.
      rss_peak_mib: the most while it was attacked.
      grows_mib_max: what it may have grown by.
    """

    name: str
    what: str
    peers: int
    ends: Mapping[str, int]
    before: Felt
    during: Felt
    newcomers_s: Sequence[float]
    rss_before_mib: float
    rss_peak_mib: float
    grows_mib_max: float

    @property
    def grown_mib(self) -> float:
        """What the node grew by."""
        return self.rss_peak_mib - self.rss_before_mib

    def objections(self) -> list[str]:
        """Return what is wrong with it, however fast the machine is."""
        odd = sorted(set(self.ends) - ATTACKS[self.name].ends - TURNED_AWAY)
        found = [f"a connection ended with {how}" for how in odd]
        if self.grown_mib > self.grows_mib_max:
            found.append(f"the node grew by {self.grown_mib:.0f} MiB")
        return found


def enrol(data: Path, key: Ed25519PrivateKey, names: Iterable[str]) -> None:
    """Enrol a key for terminals, as an operator would."""
    public = key.public_key().public_bytes_raw()
    with (
        DataFolder.open(data) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        keys = KeyStore(store)
        for name in names:
            keys.enroll(name, public, role="terminal", at_ms=0)


class CrowdFailed(BenchError):
    """The attackers did not start, or did not come back."""


@contextmanager
def crowd(
    name: str, url: str, seconds: float, peers: int, pins: Pins
) -> Iterator[subprocess.Popen[str]]:
    """Run the attackers in a process of their own."""
    command = ["nice", "-n", "5", sys.executable, "-m", "bench.attacks.crowd"]
    if pins.generator is not None:
        command = ["taskset", "-c", str(pins.generator), *command]
    command += [name, url, str(seconds), str(peers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], _CROWD_S_MAX)
        if not readable or process.stdout.readline() != "begun\n":
            raise CrowdFailed(name)
        yield process
    finally:
        process.kill()
        process.communicate()


class Pace(Struct, frozen=True):
    """What the well-behaved do beside an attack.

    Attributes:
      seconds: of the attack, at least.
      lines: terminals.
      rate_per_s: taps of all of them together.
      crowd_share: of the peers that an attack has.
    """

    seconds: float = 5.0
    lines: int = 100
    rate_per_s: float = 500.0
    crowd_share: float = 1.0


def attacked(bench: Bench, name: str, pace: Pace) -> Finding:
    """Attack a node, for as long as that takes.

    Raises:
      BenchError: a tap of the well-behaved was not posted, or there was no attack.
    """
    attack = ATTACKS[name]
    peers = max(2, round(attack.peers * pace.crowd_share))
    seconds = max(pace.seconds, attack.takes_s)
    data = bench.folder(bench.plan.small)
    enrol(data, bench.key, [f"well-{number:05d}" for number in range(pace.lines)])
    enrol(data, KEY, [newcomer(number) for number in range(NEWCOMERS)])
    enrol(data, KEY, [name_of(number) for number in range(peers)])
    with bench.node(data, dev=False) as node, bench.lines(node, pace.lines, "well") as lines:
        beside = Beside(bench, node, lines, pace.rate_per_s)
        beside.feel(min(1.0, pace.seconds))
        before, _ = beside.feel(pace.seconds)
        rss_before = node.rss_bytes()
        bench.tell(f"{name}: {peers} peers for {seconds:.0f} s")
        with crowd(name, node.url, seconds, peers, bench.pins) as process:
            during, newcomers_s = beside.feel(seconds)
            output, _ = process.communicate(timeout=_CROWD_S_MAX)
        return Finding(
            name=name,
            what=attack.what,
            peers=peers,
            ends=json.loads(output),
            before=before,
            during=during,
            newcomers_s=newcomers_s,
            rss_before_mib=rss_before / 2**20,
            rss_peak_mib=max(beside.peak_bytes, node.rss_bytes()) / 2**20,
            grows_mib_max=MEMORY_MIB + peers * attack.grows_kib_max / 1024,
        )
