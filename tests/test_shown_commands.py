"""The commands that README and docs show work as they are shown, and the texts they quote exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from engine.calendar import day_of
from ops.replay.held import counter_of
from ops.terminal.folder import opened_journal
from tests.e2e.commands import environment
from tests.e2e.trip_files import row, write
from tests.engine.fares import test_network_file as stations
from tests.engine.ledger import wib_ms
from tests.ops.commands.fleet_place import Gate, connected, fleet_place, tap
from tests.ops.rehearsal.place import DEARER, some_rides
from tests.terminals.acceptance import test_journal

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMAND: Final = re.compile(
    r"(?:    |\t)?(?:\$ )?(?:\.venv/bin/)?((?:jakarta-one|python -m|make|openssl) .*)"
)
QUICK_BENCH: Final = "jakarta-one bench --quick --no-peer --only stream"
TRY_SOME: Final = "jakarta-one conformance --url URL --enroll DIR --only 6"
TRY_WITH_KEYS: Final = "jakarta-one conformance --url URL --keys ."
SHORT: Final = {
    "jakarta-one bench": QUICK_BENCH,
    "jakarta-one bench --repeats 5": f"{QUICK_BENCH} --repeats 1",
    "jakarta-one bench --only fleet --terminals 10000": "jakarta-one bench --quick --only fleet",
    "jakarta-one bench --only rated --repeats 5": "jakarta-one bench --quick --only rated",
    "jakarta-one bench --only tap --repeats 5": "jakarta-one bench --quick --only tap",
    "jakarta-one bench --only offline --repeats 3": "jakarta-one bench --quick --only offline",
    "jakarta-one bench --only lists": "jakarta-one bench --quick --only lists",
    "jakarta-one bench attacks": "jakarta-one bench attacks --quick --only connect",
    "python -m tests.crash.kill 50": "python -m tests.crash.kill 1",
    "python -m tests.crash.consumers 100": "python -m tests.crash.consumers 1",
    "jakarta-one tree --watch": "jakarta-one tree",
    "python -m tests.fuzz.long --cases 2000000 --seed 1": "python -m tests.fuzz.long --cases 1000",
    "jakarta-one conformance --url URL --enroll DIR": TRY_SOME,
    "jakarta-one conformance --url ws://127.0.0.1:8145 --enroll DIR": TRY_SOME,
    TRY_WITH_KEYS: f"{TRY_WITH_KEYS} --only 6",
    # The node that they are tried at has no keys of chips.
    "jakarta-one chip 9360020000000017": "jakarta-one chip --help",
    "jakarta-one chip --uid 04DE5F1EACC040": "jakarta-one chip --help",
    "jakarta-one conformance --serve 127.0.0.1:0 --once -- node client.js": (
        "jakarta-one conformance --help"
    ),
}
"""Long ones, and how they are tried."""
BY_THEMSELVES: Final = ("jakarta-one bench", "python -m tests.")
"""Measurements and drills, which need nothing that another command made."""
AT_READERS: Final = ("jakarta-one card ", "jakarta-one terminal ")
"""What wants a card at a reader is run by tests/readers; here it is only known."""
FILES: Final = {
    "PASSPHRASE": "four words of nobody\n",
    "KEYS.csv": f"terminal,public_key\nGATE-7,{'11' * 32}\n",
    "GATES.csv": "terminal,kind,place,operator\nGATE-02,gate,Blok M,mrtj\n",
    "DENY.csv": "key,value,remove\n6013500100000991,lost,\n6013500100000003,,yes\n",
    "fare-2027.toml": DEARER,
    "STATIONS/krl.toml": stations.head("krl") + stations.line('["Bekasi", 0], ["Bogor", 60_000]'),
}
"""Those that commands are shown with."""
SERVES: Final = "jakarta-one serve"
FOLDERS: Final = {
    "jakarta-one restore TARGET NEWDIR --position 1200000": {
        "NEWDIR": "PART",
        "1200000": "10",
    },
    "jakarta-one rules rehearse fare-2027.toml --journal DIR --from 2025-11-01 --to 2025-11-30": {
        "DIR": "PAST"
    },
    "jakarta-one rules rehearse fare-2027.toml --journal DIR --chart FARES.svg": {"DIR": "PAST"},
    "jakarta-one claim free_ride --journal DIR --from 2025-10-01 --to 2025-12-31 --csv CLAIM.csv": {
        "DIR": "PAST"
    },
    "jakarta-one claim free_ride --journal DIR --by group,operator,service,line,month": {
        "DIR": "PAST"
    },
}
"""Placeholders that would collide with those of the command before, or need another folder."""


def shown(page: Path) -> Iterator[str]:
    """Yield the commands that stand in indented lines or fences of a page."""
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        found = COMMAND.fullmatch(line)
        if found and (fenced or line.startswith("    ")):
            # What stands behind two blanks is said to people.
            yield re.split(r"\s{2,}", found[1])[0]


ALL: Final = [(page.name, command) for page in PAGES for command in shown(page)]


def test_commands_are_found_in_the_pages() -> None:
    commands = [command for _, command in ALL]
    for expected in ("make run", "jakarta-one verify DIR", "jakarta-one backup DIR TARGET"):
        assert expected in commands
    assert len(commands) > 12


@pytest.mark.parametrize("target", sorted({c for _, c in ALL if c.startswith("make ")}))
def test_make_knows_what_is_shown(target: str) -> None:
    # `make run` and `make test` are what runs this test, or the whole of the demo's.
    done = subprocess.run(
        [*shlex.split(target), "--dry-run"], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
@pytest.mark.parametrize(
    "command", sorted({SHORT.get(c, c) for _, c in ALL if c.startswith(BY_THEMSELVES)})
)
def test_a_measurement_that_is_shown_works(command: str, tmp_path: Path) -> None:
    done = tried(command, {}, tmp_path, {})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
def test_every_other_command_that_is_shown_works(tmp_path: Path) -> None:
    file = write(tmp_path / "taps.csv", [row(f"T{n}", f"60{n}") for n in range(9)])
    names = {"DIR": "DIR", "FILE.csv": str(file), "GTFS": "STATIONS"}
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "DECREES").mkdir()
    some_rides().write(tmp_path / "PAST")
    with opened_journal(tmp_path / "TILL") as journal:
        test_journal.done(journal)
    tools = [command for _, command in ALL if command.startswith("openssl ")]
    elsewhere = ("make ", "openssl ", *BY_THEMSELVES)
    ours = {command for _, command in ALL if not command.startswith(elsewhere)}
    gate = Gate("GATE-02")
    gate.journal = [tap(4), tap(5)]
    with fleet_place(tmp_path, ("--dev",), data="DIR") as place, connected(place, gate):
        names["URL"] = place.node.url
        # The first tap at the stop of the file that is replayed.
        names["TERMINAL/COUNTER"] = f"P00142/{counter_of('P00142', day_of(wib_ms(2023, 4, 3)), 1)}"
        # What needs entries in the folder comes after what makes them.
        for command in tools + sorted(ours, key=is_late):
            done = tried(command, names, tmp_path, place.environment("ani"))
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def is_late(command: str) -> tuple[int, str]:
    """Order commands so that each finds what it needs."""
    order = (
        *("chip-keys create", "chip-keys export"),
        *("replay", "serve", "enroll", "register", "publish", "send", "list", "rotate"),
        *("backup", "restore", "verify", "revoke"),
    )
    ranks = [rank for rank, word in enumerate(order) if word in command]
    return (ranks[0] if ranks else len(order), command)


def tried(
    command: str, names: dict[str, str], place: Path, officer: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command that is shown, with something in the place of each placeholder."""
    names = {**names, **FOLDERS.get(command, {})}
    if command.startswith(AT_READERS):
        command = f"{' '.join(command.split()[: 2 + command.startswith(AT_READERS[0])])} --help"
    words = [names.get(word, word) for word in shlex.split(SHORT.get(command, command))]
    if command.startswith(SERVES):
        return served(words, place)
    modules = ["-m", "ops"] if words[0] == "jakarta-one" else []
    program = [words[0]] if words[0] == "openssl" else [sys.executable, *modules]
    return subprocess.run(
        [*program, *words[1:]],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        input="y\n",
        env={**environment(place), **officer, "PYTHONPATH": str(ROOT)},
    )


def served(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run a node until it greets, and stop it: its folder and port are its own."""
    words = [{"DIR": "SERVED"}.get(word, word) for word in words]
    listen = [] if "--listen" not in words else words[words.index("--listen") :][:2]
    words = [word for word in words if word not in listen] + ["--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", *words[1:]],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(place), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    greeting = process.stdout.readline()
    process.terminate()
    said, log = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, greeting + said, log)


def quoted() -> list[str]:
    """Return the texts that operations.md says a node or a command may say."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.partition("## When something is wrong")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    return [text for row in rows for text in re.findall(r"`([^`]+)`", row)]


def test_the_page_quotes_something() -> None:
    assert len(quoted()) >= 5


@pytest.mark.parametrize("text", quoted())
def test_what_the_page_quotes_stands_in_the_source(text: str) -> None:
    # A name in capitals or three dots stand for what is filled in.
    parts = [part.strip() for part in re.split(r"\b[A-Z]+\b|\.\.\.", text) if part.strip()]
    packages = ("engine", "storage", "actors", "ops")
    sources = [
        re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        for package in packages
        for path in (ROOT / package).rglob("*.py")
    ]
    plain = [re.sub(r"\{[^}]*\}", "", source) for source in sources]
    for part in parts:
        words = part.strip(" :")
        assert any(words in source for source in plain), words
