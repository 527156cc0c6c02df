"""Where lines go: a file descriptor that may be slow, full, or gone."""

from __future__ import annotations

import errno
import os
import select
from typing import Final

_NOTHING_TO_FLUSH: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})
"""What pipes, sockets and terminals answer to a flush: what was written is the reader's."""


class Output:
    """A file descriptor, written to by one thread at a time.

    Args:
      descriptor: which stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Hand over all of the data to the system.

        Raises:
          OSError: the system does not take it; a part may have been handed over.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def is_gone(self) -> bool:
        """Tell whether nobody can read any more what is written; a file is always read later."""
        looking = select.poll()
        # Nothing is asked for: errors and the end of a reader are told unasked.
        looking.register(self._descriptor, 0)
        return bool(looking.poll(0))

    def flush(self) -> None:
        """Make durable what was written, where the descriptor is a file.

        Raises:
          OSError: it could not be.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in _NOTHING_TO_FLUSH:
                raise
