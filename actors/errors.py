"""What can go wrong in the actors of a node, besides what a tree of actors knows by itself.

ActorError
├── ShardBroken           a shard failed in the middle of a decision; it is opened anew
└── CertificateUnusable   a node's certificate cannot be used; the one before it stays
"""

from __future__ import annotations

from typing import Final

from actors.runtime import ActorError
from storage.errors import StorageDamaged, StorageFailed, StorageVersion

FATAL: Final = (StorageFailed, StorageDamaged, StorageVersion)
"""What no actor is started again after: the node ends, and its next start looks at the disk."""


class ShardBroken(ActorError):
    """A shard failed in the middle of a decision: what it knows is not to be trusted any more."""


class CertificateUnusable(ActorError):
    """A certificate, its key or the authority of its clients cannot be used; the text says why."""
