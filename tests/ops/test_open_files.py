"""The limit of open files is raised as far as it may be."""

from __future__ import annotations

import resource

import pytest

from ops.open_files import allow_files


@pytest.mark.parametrize(
    ("limits", "wanted", "allowed", "raised_to"),
    [
        ((100, 1_000), 500, 500, (500, 1_000)),
        ((100, 1_000), 5_000, 1_000, (1_000, 1_000)),
        ((100, resource.RLIM_INFINITY), 500, 500, (500, resource.RLIM_INFINITY)),
        ((900, 1_000), 500, 900, None),
    ],
)
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(
    limits: tuple[int, int],
    wanted: int,
    allowed: int,
    raised_to: tuple[int, int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: calls.append(pair))
    assert allow_files(wanted) == allowed
    assert calls == ([raised_to] if raised_to else [])
