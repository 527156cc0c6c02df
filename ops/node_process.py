"""A node in a process of its own, to be watched, stopped and killed.

It never outlives the process that started it: its standard input is a pipe from there, and the
node stops when that ends. (A signal at the parent's death would have to be asked for between fork
and exec, which is not safe in a program with threads, and comes when the thread ends.)
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

START_S_MAX: Final = 60.0
STOP_S_MAX: Final = 60.0


class NodeFailed(Exception):
    """A node did not start or did not stop in time; the message holds its last words."""


class NodeProcess:
    """A running `jakarta-one serve`; made by `start`.

    Attributes:
      ready: what the node said when it began to listen.
      started_in_s: from the start of the process until then.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], ready: dict[str, Any], started_in_s: float
    ) -> None:
        self._process = process
        self.ready = ready
        self.started_in_s = started_in_s

    @classmethod
    def start(
        cls,
        data: Path,
        *,
        listen: str = "127.0.0.1:0",
        dev: bool = False,
        prefix: Sequence[str] = (),
        log: Path | None = None,
        options: Sequence[str | Path] = (),
    ) -> NodeProcess:
        """Start a node and wait until it listens.

        Args:
          data: its folder.
          listen: its address; with port 0 `url` tells what it took.
          dev: enrol keys at first use.
          prefix: a command to run it under (`taskset -c 0`).
          log: where its log goes; by default beside the folder.
          options: more of `serve`, as `--tls-cert` and its file.

        Raises:
          NodeFailed: it ended, or was not ready within `START_S_MAX`.
        """
        command = [*prefix, sys.executable, "-m", "ops", "serve"]
        command += ["--data", str(data), "--listen", listen, "--json", "--until-eof"]
        command += ["--dev"] if dev else []
        command += map(str, options)
        log = log or data.with_name(data.name + ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        began_s = time.monotonic()
        with log.open("ab") as log_file:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log_file
            )
        line = _first_line(process)
        ready: dict[str, Any] = json.loads(line) if line else {}
        if "url" not in ready:
            process.kill()
            process.communicate()
            raise NodeFailed(f"the node did not start: {ready.get('error') or _last_words(log)}")
        return cls(process, ready, time.monotonic() - began_s)

    @property
    def url(self) -> str:
        """Where terminals connect."""
        return str(self.ready["url"])

    @property
    def listen(self) -> str:
        """Its address as HOST:PORT, to start it again on the same."""
        return self.url.partition("://")[2]

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        self._process.kill()
        self._process.wait()
        self._close()

    def stop(self) -> int:
        """Ask it to stop (SIGTERM) and return its exit status.

        Raises:
          NodeFailed: it did not within `STOP_S_MAX`, and was killed.
        """
        self._process.terminate()
        try:
            return self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired as late:
            self._process.kill()
            self._process.wait()
            raise NodeFailed("the node did not stop and was killed") from late
        finally:
            self._close()

    def rss_bytes(self) -> int:
        """Return its resident memory, and that of the process that writes its views.

        Without the pages of files that they have mapped.

        Raises:
          NodeFailed: the node is gone.
        """
        if not self.running:
            raise NodeFailed("the node is gone")
        return sum(map(_rss_bytes, (self.pid, *children(self.pid))))

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def _rss_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_S_MAX)
    return process.stdout.readline() if readable else b""


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
