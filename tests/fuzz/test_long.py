"""The long run: its summary, and what it fails at."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from tests.fuzz import long
from tests.fuzz.cases import TAKEN
from tests.fuzz.long import Grown, NotDocumented, Run, TooSlow


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what every case comes to."""

    def set_outcome(how: str) -> None:
        def case(_: random.Random) -> list[str]:
            return [how]

        monkeypatch.setattr(long, "MIX", ((case, 100),))

    monkeypatch.setattr(long, "ROUND", 10)
    return set_outcome


def run(cases: int = 30, *, rss: int = 0) -> Run:
    grown = iter(range(0, 100 * rss + 100, rss or 1))
    made = Run(1, lambda _: None, lambda: 1 + next(grown))
    made.run(cases)
    return made


def test_a_short_run_says_what_became_of_its_cases() -> None:
    result = CliRunner().invoke(long.main, ["--cases", "300", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert "300 cases from seed 5" in result.stdout
    for expected in ("typed_case: 135 cases", "order_case: 15 cases", "field_invalid"):
        assert expected in result.stdout


def test_as_many_cases_are_run_as_were_asked_for(only: Callable[[str], None]) -> None:
    only(TAKEN)
    assert run(35).cases == 35


def test_an_end_that_is_not_documented_fails_the_run(only: Callable[[str], None]) -> None:
    only("went away")
    with pytest.raises(NotDocumented, match="went away"):
        run()


def test_memory_that_grows_with_the_cases_fails_the_run(only: Callable[[str], None]) -> None:
    only(TAKEN)
    run(rss=1_000)
    with pytest.raises(Grown, match="20 MiB in 30 cases"):
        run(rss=10 * 2**20)


def test_a_case_that_takes_too_long_fails_the_run(
    only: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(TAKEN)
    monkeypatch.setattr(long, "CASE_S_MAX", 0.0)
    with pytest.raises(TooSlow, match="for seed"):
        run()
