"""The peer: a PostgreSQL that takes the same taps, one durable and idempotent call for each.

It is given every advantage that keeps the promise: a function on the server, so that a tap is one
round trip; prepared; no more than the tables and indexes that it needs; room for its log. fsync and
synchronous_commit are on, as our own are. The cluster is made for the run and removed after it.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from bench.errors import PeerFailed
from bench.load import BALANCE_RP, FARE_RP, card_name

START_S_MAX: Final = 60.0
CALL_S_MAX: Final = 60.0
SYSTEM_USERS: Final = ("postgres", "nobody")
"""PostgreSQL refuses to run as root; the first of these that exists runs it then."""

SCHEMA: Final = """
CREATE TABLE cards (card text PRIMARY KEY, balance_rp bigint NOT NULL) WITH (fillfactor = 80);
CREATE TABLE transactions (
    terminal text, counter bigint, card text NOT NULL, amount_rp bigint NOT NULL,
    decided timestamptz NOT NULL DEFAULT now(), posted boolean NOT NULL, balance_rp bigint NOT NULL,
    PRIMARY KEY (terminal, counter));
CREATE TABLE postings (
    terminal text NOT NULL, counter bigint NOT NULL, account text NOT NULL,
    amount_rp bigint NOT NULL);

CREATE FUNCTION tap(t text, n bigint, c text, amount bigint, operator text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    before_rp bigint;
    after_rp bigint;
    fits boolean;
BEGIN
    SELECT balance_rp INTO before_rp FROM cards WHERE card = c FOR UPDATE;
    fits := before_rp >= amount;
    after_rp := CASE WHEN fits THEN before_rp - amount ELSE coalesce(before_rp, 0) END;
    INSERT INTO transactions (terminal, counter, card, amount_rp, posted, balance_rp)
        VALUES (t, n, c, amount, coalesce(fits, false), after_rp) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT posted, balance_rp INTO fits, after_rp FROM transactions
            WHERE terminal = t AND counter = n;
        RETURN CASE WHEN fits THEN after_rp END;
    END IF;
    IF fits IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    UPDATE cards SET balance_rp = after_rp WHERE card = c;
    INSERT INTO postings VALUES (t, n, c, -amount), (t, n, operator, amount);
    RETURN after_rp;
END $$;
"""
"""`tap` answers the balance, or NULL if it refused; sent again it answers the same."""

TAP: Final = "SELECT tap(%s, %s, %s, %s, %s)"
_SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "max_connections": "150",
    "max_wal_size": "8GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class Peer(Struct, frozen=True):
    """A running PostgreSQL.

    Attributes:
      sockets: folder of its unix socket.
      version: as it says itself.
      pid: of the server.
    """

    sockets: Path
    version: str
    pid: int


class Trial(Struct, frozen=True):
    """What a number of clients came to."""

    clients: int
    taps: int
    taps_per_s: float


def find_programs(places: Sequence[Path] | None = None) -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest first; None if there are none."""
    if places is None:
        installed = Path("/usr/lib/postgresql").glob("*/bin")
        newest = sorted(installed, key=lambda place: _number(place.parent.name), reverse=True)
        on_path = shutil.which("initdb")
        places = [*newest, *_said_by_pg_config(), *([Path(on_path).parent] if on_path else [])]
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    return None


def why_absent(programs: Path | None) -> str:
    """Tell why there can be no peer; the empty text says that there can."""
    if programs is None:
        return "PostgreSQL's programs (initdb, postgres) are not installed"
    if find_spec("psycopg") is None:
        return "psycopg is not installed (the extra `bench`)"
    if os.geteuid() == 0 and system_user() is None:
        return "PostgreSQL does not run as root, and there is no other user to run it as"
    return ""


def system_user(names: Sequence[str] = SYSTEM_USERS) -> pwd.struct_passwd | None:
    """Return the user of the system who runs PostgreSQL if we are root."""
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next((known[name] for name in names if name in known), None)


@contextmanager
def running_peer(programs: Path, place: Path, *, prefix: Sequence[str] = ()) -> Iterator[Peer]:
    """Run a PostgreSQL with a cluster of its own, and remove it in the end.

    Args:
      programs: folder of initdb and postgres.
      place: where its folder goes: on the disk that is measured.
      prefix: a command to run the server under (`taskset -c 0`).

    Raises:
      PeerFailed: it did not start; the message holds its last words.
    """
    with ExitStack() as held:
        # The name of a socket has room for a hundred letters, so it stands apart.
        sockets = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="pg-")))
        cluster = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="pg-", dir=place)))
        options = as_somebody_else(sockets, cluster)
        data, log = cluster / "data", cluster / "log"
        initdb = [str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "bench"]
        made = subprocess.run(
            [*initdb, "--no-sync", "--encoding=UTF8", "--locale=C"],
            capture_output=True,
            text=True,
            check=False,
            timeout=START_S_MAX,
            **options,
        )
        if made.returncode:
            raise PeerFailed(f"initdb: {made.stderr.strip()}")
        settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
        command = [*prefix, str(programs / "postgres"), "-D", str(data)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log_file = held.enter_context(log.open("wb"))
        server = subprocess.Popen[bytes](command, stdout=log_file, stderr=log_file, **options)
        held.callback(stop, server)
        yield _greet(server, sockets, log)


def connect(peer: Peer) -> Any:  # noqa: ANN401 psycopg is an extra: its types may be missing
    """Return a connection on which each statement is a transaction of its own."""
    import psycopg  # noqa: PLC0415 an extra that may be missing

    return psycopg.connect(
        host=str(peer.sockets),
        user="bench",
        dbname="postgres",
        autocommit=True,
        prepare_threshold=0,
    )


def fill(peer: Peer, cards: int) -> None:
    """Make the tables, and cards with as much money on them as the node's."""
    with connect(peer) as connection:
        connection.execute(SCHEMA, prepare=False)
        connection.execute(
            "INSERT INTO cards SELECT '6013' || lpad(n::text, 12, '0'), %s"
            " FROM generate_series(0, %s::bigint - 1) n",
            (BALANCE_RP, cards),
        )
        connection.execute("VACUUM ANALYZE cards")
        connection.execute("CHECKPOINT")


def trial(peer: Peer, *, clients: int, seconds: float, cards: int, run: str) -> Trial:
    """Tap as fast as answers come, on a number of connections.

    Args:
      peer: with tables filled by `fill`.
      clients: how many connections, each with a thread.
      seconds: how long.
      cards: taps go to random ones of these.
      run: part of the terminals' names, so that no trial repeats another's taps.

    Raises:
      PeerFailed: a tap was not posted.
    """
    started, failures = threading.Event(), []
    counts = [0] * clients
    until_s = [0.0]

    def tap(number: int, connection: Any) -> None:  # noqa: ANN401 as above
        chance, cursor = random.Random(number), connection.cursor()
        terminal = f"{run}-{number:05d}"
        started.wait(CALL_S_MAX)
        while time.perf_counter() < until_s[0]:
            counter = counts[number] + 1
            amount_rp = FARE_RP if counter % 2 else 0
            card = card_name(chance.randrange(cards))
            row = cursor.execute(TAP, (terminal, counter, card, amount_rp, "transjakarta"))
            if row.fetchone()[0] is None:
                failures.append(f"{terminal}/{counter} was refused")
                return
            counts[number] = counter

    with ExitStack() as held:
        connections = [held.enter_context(connect(peer)) for _ in range(clients)]
        threads = [
            threading.Thread(target=tap, args=each, daemon=True) for each in enumerate(connections)
        ]
        for thread in threads:
            thread.start()
        began_s = time.perf_counter()
        until_s[0] = began_s + seconds
        started.set()
        for thread in threads:
            thread.join(seconds + CALL_S_MAX)
        took_s = time.perf_counter() - began_s
        if failures or any(thread.is_alive() for thread in threads):
            raise PeerFailed(failures[0] if failures else "PostgreSQL did not answer")
    return Trial(clients, sum(counts), sum(counts) / took_s)


def check(peer: Peer, taps: int) -> None:
    """Check that all taps are there, and that the postings sum to zero.

    Raises:
      PeerFailed: they are not.
    """
    with connect(peer) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM transactions WHERE posted),"
            " (SELECT coalesce(sum(amount_rp), 0) FROM postings)"
        ).fetchone()
    if row != (taps, 0):
        raise PeerFailed(f"{taps} taps were answered; PostgreSQL holds {row[0]}, sum Rp{row[1]}")


def as_somebody_else(*folders: Path) -> dict[str, Any]:
    """Return how to start a program as PostgreSQL's user, who is given the folders; if root."""
    user = system_user()
    if os.geteuid() or user is None:
        return {}
    for folder in folders:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": folders[0]}


def _greet(server: subprocess.Popen[bytes], sockets: Path, log: Path) -> Peer:
    import psycopg  # noqa: PLC0415 an extra that may be missing

    until_s = time.monotonic() + START_S_MAX
    while server.poll() is None and time.monotonic() < until_s:
        try:
            with connect(Peer(sockets, "", server.pid)) as connection:
                (version,) = connection.execute("SHOW server_version").fetchone()
                return Peer(sockets, version, server.pid)
        except psycopg.OperationalError:
            time.sleep(0.05)
    words = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    raise PeerFailed(f"PostgreSQL did not start: {words[-1]}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop a server, and kill it if it does not within `START_S_MAX`."""
    # SIGINT is its fast shutdown: it cuts its clients and writes everything down.
    server.send_signal(2)
    try:
        server.wait(START_S_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _said_by_pg_config() -> list[Path]:
    program = shutil.which("pg_config")
    if program is None:
        return []
    said = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)
    return [Path(said.stdout.strip())] if said.returncode == 0 else []


def _number(version: str) -> float:
    return float(version) if version.replace(".", "", 1).isdecimal() else 0.0
