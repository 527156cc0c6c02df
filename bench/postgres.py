"""The peer: PostgreSQL doing the same, one durable and idempotent tap for each function call.

It starts its own cluster in a temporary folder, on a unix socket, with its defaults for
durability (fsync and synchronous_commit on).
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from bench.load import FARE_RP, card_name
from bench.measures import pinned

PROGRAMS: Final = ("initdb", "pg_ctl")
START_S_MAX: Final = 60

SCHEMA: Final = """
create table card (id text primary key, balance bigint not null, day_count bigint not null);
create table tap (
    terminal text, counter bigint, card text, amount bigint, place text, balance bigint,
    primary key (terminal, counter));
create table posting (terminal text, counter bigint, account text, amount bigint);
create function post_tap(t text, c bigint, k text, a bigint, p text) returns bigint
language plpgsql as $$
declare left_rp bigint;
begin
    select balance into left_rp from tap where terminal = t and counter = c;
    if found then return left_rp; end if;
    update card set balance = balance - a, day_count = day_count + 1
        where id = k and balance >= a returning balance into left_rp;
    if not found then raise exception 'refused'; end if;
    insert into tap values (t, c, k, a, p, left_rp);
    insert into posting values (t, c, k, -a), (t, c, 'transjakarta', a);
    return left_rp;
end $$;
"""

CALL: Final = "select post_tap(%s, %s, %s, %s, %s)"


class PeerMissing(Exception):
    """PostgreSQL's programs are not here; the message says what was looked for."""


def programs() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
      PeerMissing: there is none.
    """
    places = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if all((place / name).exists() for name in PROGRAMS):
            return place.resolve()
    raise PeerMissing("PostgreSQL's initdb and pg_ctl are not installed (Debian: postgresql)")


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a cluster in a folder; yields what to connect with.

    Raises:
      PeerMissing: its programs are not here, or it does not start.
    """
    binaries = programs()
    folder.mkdir(parents=True)
    user = _unprivileged() if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    try:
        _run([str(binaries / "initdb"), "-D", str(data), "-U", "bench", "-A", "trust"], user)
        options = f"-c listen_addresses='' -k {folder} -c max_connections=120"
        start = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-t", str(START_S_MAX)]
        _run([*pinned(), *start, "-o", options, "-l", str(folder / "log"), "start"], user)
        try:
            yield f"host={folder} user=bench dbname=postgres"
        finally:
            _run([*start, "-m", "immediate", "stop"], user)
    except subprocess.CalledProcessError as error:
        raise PeerMissing(f"PostgreSQL does not run here: {error.stderr.strip()}") from error


def taps_per_s(folder: Path, *, clients: Sequence[int], seconds: float, cards: int) -> float:
    """Return the taps a second of the best number of clients.

    Raises:
      PeerMissing: there is no PostgreSQL.
    """
    with cluster(folder) as address:
        with psycopg.connect(address) as connection:
            connection.execute(SCHEMA)
            connection.execute(
                "insert into card select '6013' || lpad(n::text, 12, '0'), 2000000000, 0"
                " from generate_series(0, %s) n",
                (cards - 1,),
            )
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("vacuum analyze")
        return max(_rate(address, count, seconds, cards) for count in clients)


def _rate(address: str, clients: int, seconds: float, cards: int) -> float:
    done = [0] * clients
    ready = threading.Barrier(clients + 1)
    failures: list[Exception] = []

    def work(number: int) -> None:
        chance = random.Random(number)
        terminal = f"GATE-{clients}-{number}"
        try:
            with psycopg.connect(address, autocommit=True, prepare_threshold=0) as connection:
                ready.wait(START_S_MAX)
                until_s = time.perf_counter() + seconds
                while time.perf_counter() < until_s:
                    card = card_name(chance.randrange(cards))
                    values = (terminal, done[number] + 1, card, FARE_RP, "P00142")
                    connection.execute(CALL, values)
                    done[number] += 1
        except (psycopg.Error, threading.BrokenBarrierError) as failure:
            failures.append(failure)
            ready.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait(START_S_MAX)
    began_s = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(done) / (time.perf_counter() - began_s)


def _unprivileged() -> str:
    # PostgreSQL refuses to run as root.
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(command: Sequence[str], user: str | None) -> None:
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=2 * START_S_MAX,
        user=user,
        cwd="/",
    )
