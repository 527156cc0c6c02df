"""A small morning, what a node without faults makes of it, and what a demo would come to."""

from __future__ import annotations

import pytest

from ops.demo.city import City
from ops.demo.network import Network, built_in
from ops.demo.result import Result
from tests.ops.demo.played import Played, played_on, result_of, small_city


@pytest.fixture(scope="session")
def network() -> Network:
    return built_in()


@pytest.fixture(scope="session")
def city(network: Network) -> City:
    return small_city(network)


@pytest.fixture(scope="session")
def played(city: City) -> Played:
    return played_on(city)


@pytest.fixture(scope="session")
def result(played: Played) -> Result:
    return result_of(played)
