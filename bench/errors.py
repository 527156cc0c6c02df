"""What can go wrong with a measurement.

BenchError
├── LineBroken      (in bench.line) the node closed a line, or answered what was not asked
├── NotVerified     after a load the folder does not hold what it should
└── PeerFailed      PostgreSQL did not start, or answered what was not asked
"""

from __future__ import annotations


class BenchError(Exception):
    """A figure that would not be true."""


class NotVerified(BenchError):
    """After a load the folder does not hold what it should."""


class PeerFailed(BenchError):
    """PostgreSQL did not start, or answered what was not asked."""
