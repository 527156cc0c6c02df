"""What all tests share: how hypothesis searches."""

from __future__ import annotations

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
