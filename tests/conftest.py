"""What all tests share: how hypothesis searches, what comes first, and what is not traced."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# No deadline: an example that meets the sync of a busy disk is slow, not wrong. The blob printed
# with a failure replays it on another machine.
settings.register_profile(
    "jakarta-one",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("jakarta-one")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what mostly waits, beside what works; what takes long is not left for the end."""
    items.sort(key=lambda item: [not item.get_closest_marker(mark) for mark in ("waits", "slow")])


@pytest.fixture
def no_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace neither the test nor the processes that it starts.

    For tests of volume: other tests reach the same lines. Without this fixture of the same name,
    pytest-cov leaves out the test alone.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
