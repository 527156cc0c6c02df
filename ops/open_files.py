"""How many files a process may hold open: each connection is one."""

from __future__ import annotations

import resource


def allow_files(count: int) -> int:
    """Raise this process's limit of open files, which its children inherit; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
