"""A node under attack: every tap of the others is answered, and its memory stays bounded.

How long those taps took is printed (`-rP` shows it) and decides nothing; the command
`jakarta-one bench attacks` measures it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from bench.attacks.catalogue import ATTACKS
from bench.attacks.measure import Pace, attacked
from bench.machine import Pins
from bench.setting import Bench, Plan

PACE: Final = Pace(seconds=1.0, lines=20, rate_per_s=100.0)
SEEN_ONLY_IF_FAST: Final = {"drip", "over credits"}
"""A slow machine does not get so far with these in a second or two."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A folder with cards; in the end it holds all that was acknowledged."""
    pins = Pins(None, None, "it is a test")
    bench = Bench(tmp_path_factory.mktemp("attacked"), Plan(small=1_000), pins, lambda _: None)
    yield bench
    bench.verify()


@pytest.mark.slow
@pytest.mark.waits
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_ended_as_documented_and_disturbs_nobody(bench: Bench, name: str) -> None:
    finding = attacked(bench, name, PACE)
    assert finding.objections() == []
    assert finding.during.taps == PACE.rate_per_s * max(PACE.seconds, ATTACKS[name].takes_s)
    if ATTACKS[name].ends and name not in SEEN_ONLY_IF_FAST:
        assert set(finding.ends) & ATTACKS[name].ends, "the attack took place"
    print(  # noqa: T201 - for whoever asks
        f"{name}: p99 {finding.before.p99_ms:.1f} > {finding.during.p99_ms:.1f} ms, "
        f"{finding.rss_before_mib:.0f} > {finding.rss_peak_mib:.0f} MiB, {dict(finding.ends)}"
    )
