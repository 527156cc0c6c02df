"""The composition root of a node: where the clock, chance, the disk and the network come in."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import trio
from msgspec import Struct

from actors import limits
from actors.certificates import Certificates
from actors.errors import ShardBroken
from actors.listener import open_listening_socket
from actors.proofs import ProofJudge
from actors.runtime import Escalation, Event, Report
from actors.seams import Seams
from actors.tree import NodeTree, Stores
from engine.keys import Role
from engine.law import Law
from ops.open_files import allow_files
from ops.tls_files import TlsFiles
from protocol.chip.keys import CardKeys
from protocol.redaction import pseudonyms
from protocol.session import EnrolledKey
from storage.errors import StorageError
from storage.fleet.tables import FLEET_REMEDY, FLEET_TABLES
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.key_store import KEYS_REMEDY, KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore
from storage.process_store import ProcessStore
from storage.secret_file import SECRET_BYTES, kept_secret
from storage.shard_store import ShardStore
from storage.store import Store
from storage.view_rows import VIEWS_REMEDY, VIEWS_TABLES

log: Final = logging.getLogger("jakarta_one")

FILES_BESIDE: Final = 100
"""Open files besides the connections: the stores, the program's own."""

_TOLD_BY_OTHERS: Final = (Escalation, ShardBroken)
"""Failures that follow from another one, which is reported by itself."""

_CAUSES_MAX: Final = 10
"""Causes of a failure that are told, one behind the other."""


class Listening(Struct, frozen=True):
    """A node that takes connections.

    Attributes:
      url: where.
      position: of the next entry of its journal.
      replayed: entries folded in since the last checkpoint.
      recovery_ms: what opening the shard took.
      rebuilt: why all views were built anew; empty if they were not.
    """

    url: str
    position: int
    replayed: int
    recovery_ms: float
    rebuilt: str


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def now_ms() -> int:
    """Return the host's clock."""
    return time.time_ns() // 1_000_000


async def run_node(  # noqa: PLR0913 - one for each option of `serve`
    data: Path,
    host: str,
    port: int,
    *,
    dev: bool,
    on_listening: Callable[[Listening], None],
    law: Law,
    tls: TlsFiles | None = None,
    card_keys: CardKeys | None = None,
    clock_ms: Callable[[], int] = now_ms,
) -> None:
    """Run a node on a data folder until SIGTERM or SIGINT.

    Args:
      data: the folder; it is made if there is none.
      host: where to listen.
      port: of it; 0 takes a free one.
      dev: enrol unknown keys at first use.
      on_listening: called once terminals can connect.
      law: what decisions are made by.
      tls: the files of its certificate; without them nothing is encrypted.
      card_keys: by which proofs of advices are judged; without them all advices are believed.
      clock_ms: its clock.

    Raises:
      CertificateUnusable: no certificate can be made of the files.
      StorageError: the folder cannot be used.
      OSError: the address cannot be used.
      ExceptionGroup: the tree gave up; it holds an Escalation that says why.
    """
    _allow_connections()
    seams = Seams(clock_ms, partial(os.urandom, 32), random.SystemRandom().random)
    certificates = _certificates(tls, seams)
    with ExitStack() as held:
        folder = held.enter_context(DataFolder.open(data, create=True))
        store = LmdbStore(folder.keys, tables=KEYS_TABLES, remedy=KEYS_REMEDY)
        keys = KeyStore(held.enter_context(closing(store)))
        secret = kept_secret(folder.pseudonyms, partial(os.urandom, SECRET_BYTES))
        listening = held.enter_context(open_listening_socket(host, port))
        tree = NodeTree(
            stores=Stores(partial(_open_shard, folder), partial(_open_fleet, folder)),
            listening=listening,
            keys=_FirstUse(keys, clock_ms) if dev else keys,
            law=law,
            pseudonym=pseudonyms(secret),
            seams=seams,
            report=_report,
            note=log.warning,
            certificates=certificates,
            judge=_judge(card_keys),
        )
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with tree.supervisor.running():
                _settle_memory()
                on_listening(_listening(tree, "wss" if tls else "ws", listening.getsockname()))
                await anext(signals)
                log.info("stopping: answers first, then the last checkpoint")


def _certificates(tls: TlsFiles | None, seams: Seams) -> Certificates | None:
    return None if tls is None else Certificates(tls, offload=seams.offload, note=log.warning)


def _judge(card_keys: CardKeys | None) -> ProofJudge | None:
    return None if card_keys is None else ProofJudge(card_keys, note=log.warning)


def _allow_connections() -> None:
    files = allow_files(limits.SESSIONS_MAX + FILES_BESIDE)
    if files < limits.SESSIONS_MAX + FILES_BESIDE:
        log.warning("the system allows %d open files, and so many connections at most", files)


def clock_since(began_ms: int) -> Callable[[], int]:
    """Return a clock that stands at a moment now, and goes on as the host's."""
    behind_ms = now_ms() - began_ms
    return lambda: now_ms() - behind_ms


def _listening(tree: NodeTree, scheme: str, address: Sequence[Any]) -> Listening:
    recovered = tree.shard().store.recovered
    host, port = address[:2]
    name = f"[{host}]" if ":" in host else host
    return Listening(
        url=f"{scheme}://{name}:{port}",
        position=recovered.position,
        replayed=recovered.replayed_entries,
        recovery_ms=round(recovered.took_s * 1000, 1),
        rebuilt=recovered.rebuilt,
    )


@contextmanager
def _open_shard(folder: DataFolder) -> Iterator[ShardStore]:
    with (
        closing(LmdbStore(folder.journal, tables=JOURNAL_TABLES)) as journal,
        closing(
            ProcessStore(folder.views, tables=VIEWS_TABLES, pause=time.sleep, remedy=VIEWS_REMEDY)
        ) as views,
    ):
        yield ShardStore.open(journal, views, clock=time.monotonic)


def role_by_name(terminal: str) -> Role:
    """Return the role that a terminal gets at first use: the one its name begins with.

    `operator-ani` is an operator, `terminal-7` a terminal; any other name is a service.
    """
    roles: tuple[Role, ...] = get_args(Role)
    for role in roles:
        if terminal.startswith(f"{role}-"):
            return role
    return "service"


def _open_fleet(folder: DataFolder) -> AbstractContextManager[Store]:
    # A list of a million cards is written by another process, as checkpoints are.
    return closing(
        ProcessStore(folder.fleet, tables=FLEET_TABLES, pause=time.sleep, remedy=FLEET_REMEDY)
    )


class _FirstUse:
    """Keys, of which one that a terminal shows when it has none is enrolled: for development."""

    def __init__(self, keys: KeyStore, clock_ms: Callable[[], int]) -> None:
        self._keys = keys
        self._clock_ms = clock_ms
        self.find_many, self.version = keys.find_many, keys.version

    def find(self, terminal: str, public_key: bytes) -> EnrolledKey:
        """Find a key, or enrol it."""
        role = role_by_name(terminal)
        at_ms = self._clock_ms()
        return self._keys.enroll(terminal, public_key, role=role, at_ms=at_ms, note="first use")


def _settle_memory() -> None:
    # What is loaded now stays: the collector need not look at it again. Taps make no cycles, so
    # it may look less often at what they leave.
    gc.collect()
    gc.freeze()
    gc.set_threshold(25_000, 200, 100)


def _report(report: Report) -> None:
    level = logging.ERROR if report.event is Event.ESCALATED else logging.WARNING
    what = _in_words(report)
    log.log(level, "%s: %s of %s: %s", report.event, report.child, report.supervisor, what)
    if report.failure is not None and _is_defect(report.failure):
        log.log(level, "where it failed:\n%s", where(report.failure))


def _in_words(report: Report) -> str:
    failure = report.failure
    if isinstance(failure, Escalation):
        return f"{failure.supervisor} gives up on {failure.child}"
    # The message of a defect may quote what was being handled: a card, an amount.
    return type(failure).__name__ if failure and _is_defect(failure) else report.reason


def _is_defect(failure: Exception) -> bool:
    """Tell whether nobody expected a failure, and nobody else tells of it."""
    return not isinstance(failure, (StorageError, *_TOLD_BY_OTHERS))


def where(failure: BaseException) -> str:
    """Return the kind of a failure and of its causes, and the lines of code that they came by.

    Neither messages nor values stand in it: logs carry no card numbers, names or amounts.
    """
    told: list[str] = []
    cause: BaseException | None = failure
    while cause is not None and len(told) < _CAUSES_MAX:
        told.append(type(cause).__name__ + "\n" + "".join(traceback.format_tb(cause.__traceback__)))
        if isinstance(cause, BaseExceptionGroup):
            told += [where(part) for part in cause.exceptions[:_CAUSES_MAX]]
        cause = cause.__cause__ or cause.__context__
    return "because of ".join(told)
