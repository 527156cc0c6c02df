"""The attackers, in a process of their own: `python -m bench.attacks.crowd ATTACK URL SECONDS`.

It says `begun` when all have connected once or were refused, and in the end how each connection
of theirs ended: one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Final

import trio

from bench.attacks.catalogue import ATTACKS, Attack, Scene, name_of
from bench.attacks.peer import Ended, Peer
from ops.endings import leaves
from ops.open_files import allow_files

OPEN: Final = "open"
"""How a connection ended that was still there when the time was over."""
_FILES_EACH: Final = 2
_FILES_BESIDE: Final = 100


class Crowd:
    """Peers that do the same at the same time.

    Args:
      attack: what they do.
      url: of the node.
      peers: how many; as many as the attack says by default.

    Attributes:
      ends: how many connections ended in each way.
    """

    def __init__(self, attack: Attack, url: str, peers: int = 0) -> None:
        self._attack, self._url = attack, url
        self._peers = peers or attack.peers
        self.ends: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Attack for so long."""
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for number in range(self._peers):
                    nursery.start_soon(self._again_and_again, name_of(number))

    async def _again_and_again(self, name: str) -> None:
        scene = Scene(self._url, name)
        while True:
            how = OPEN
            try:
                how = await self._once(scene)
            finally:
                self.ends[how] += 1

    async def _once(self, scene: Scene) -> str:
        try:
            peer = await Peer.connect(scene.url, receive_bytes=self._attack.receive_bytes)
            try:
                return await self._attack.act(scene, peer)
            finally:
                peer.close()
        except* Ended as ended:
            how = str(next(leaves(ended)))
        return how


def main(name: str, url: str, seconds: str, peers: str = "0") -> None:
    """Attack, and say how it ended."""
    crowd = Crowd(ATTACKS[name], url, int(peers))
    allow_files(_FILES_EACH * (int(peers) or ATTACKS[name].peers) + _FILES_BESIDE)
    print("begun", flush=True)  # noqa: T201 - the parent waits for it
    trio.run(crowd.run, float(seconds))
    print(json.dumps(crowd.ends))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
