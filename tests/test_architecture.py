"""Imports point down, and each contract about them finds what it is there to find.

The contracts stand in pyproject.toml. Each one is run on the real tree, and on a toy tree of the
same names in which one forbidden import is planted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
TOY: Final = {
    "engine/card.py": "import msgspec",
    "protocol/codec.py": "import engine.card, websockets",
    "storage/lmdb_store.py": "import lmdb",
    "storage/journal.py": "import storage.lmdb_store, engine.card",
    "actors/runtime/mailbox.py": "import trio",
    "actors/terminal.py": "import actors.runtime.mailbox, storage.journal, protocol.codec",
    "actors/transport.py": "import socket",
    "actors/tls.py": "import ssl, actors.transport",
    "actors/listener.py": "import socket, actors.terminal, actors.tls",
    "terminals/websocket.py": "import socket, ssl, trio_websocket",
    "terminals/client.py": "import terminals.websocket",
    "terminals/pcsc/connection.py": "import smartcard.scard",
    "ops/chip_key_stores/pkcs11_store.py": "import pkcs11",
    "ops/node.py": "import time, socket, ssl, random, actors.listener, terminals.client",
    "bench/load.py": "import time, ops.node",
}
"""Modules and the imports that the contracts must let pass."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of pyproject.toml on the packages in `folder`."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def plant(folder: Path, path: str, line: str) -> None:
    with (folder / path).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Return a tree of the packages' names that keeps every contract."""
    for path, imports in TOY.items():
        package = (tmp_path / path).parent
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        plant(tmp_path, path, imports)
    return tmp_path


def test_the_imports_of_the_project_keep_every_contract() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_allowed_imports_pass(toy: Path) -> None:
    result = lint(toy)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("path", "line", "contract"),
    [
        ("ops/node.py", "import pkcs11", "only ops.chip_key_stores.pkcs11_store imports pkcs11"),
        ("engine/card.py", "import storage.journal", "imports point down, siblings never meet"),
        ("storage/journal.py", "import protocol.codec", "imports point down, siblings never meet"),
        (
            "actors/terminal.py",
            "import terminals.client",
            "imports point down, siblings never meet",
        ),
        ("terminals/client.py", "import ops.node", "imports point down, siblings never meet"),
        ("ops/node.py", "import bench.load", "imports point down, siblings never meet"),
        ("engine/card.py", "import trio", "the engine is pure"),
        ("engine/card.py", "from time import time", "the engine is pure"),
        ("engine/card.py", "def f():\n    import random", "the engine is pure"),
        ("protocol/codec.py", "import socket", "the protocol is bytes in, events out"),
        ("storage/journal.py", "import trio", "storage is synchronous"),
        ("actors/runtime/mailbox.py", "import engine.card", "knows nothing of cards"),
        ("actors/runtime/mailbox.py", "import actors.terminal", "knows nothing of cards"),
        ("storage/journal.py", "import lmdb", "only storage.lmdb_store imports lmdb"),
        ("ops/node.py", "import lmdb", "only storage.lmdb_store imports lmdb"),
        (
            "bench/load.py",
            "import trio_websocket",
            "only terminals.websocket imports trio_websocket",
        ),
        (
            "terminals/client.py",
            "from smartcard import scard",
            "only terminals.pcsc.connection imports smartcard",
        ),
        ("actors/terminal.py", "import socket", "listener, transport and websocket touch sockets"),
        ("actors/listener.py", "import ssl", "only actors.tls and the client know TLS"),
    ],
)
def test_a_planted_violation_is_found(toy: Path, path: str, line: str, contract: str) -> None:
    plant(toy, path, line)
    result = lint(toy)
    assert result.returncode == 1, result.stderr
    broken = [said for said in result.stdout.splitlines() if said.endswith("BROKEN")]
    assert any(contract in said for said in broken), result.stdout
