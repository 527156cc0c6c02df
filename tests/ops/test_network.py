"""The network of an operator, joined with the one that comes with the program."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from engine.rules.reading import RulesInvalid
from ops.network import load_network, network_of
from tests.engine.fares.test_network_file import head, line, transfer
from tests.ops.test_gtfs import FILES


def feed_in(folder: Path) -> Path:
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def stations_in(folder: Path) -> Path:
    folder.mkdir()
    (folder / "krl.toml").write_text(head("krl") + line() + transfer("transjakarta_brt", "B1"))
    (folder / "notes.txt").write_text("no network")
    return folder


def test_what_comes_with_the_program_is_always_there() -> None:
    loaded = load_network()
    assert [file.head.id for file in loaded.files] == ["lrt-jabodebek", "lrt-jakarta", "mrt"]
    assert (len(loaded.network.services), loaded.feeds) == (4, [])
    assert network_of([]).knows("mrt", "Blok M")


def test_files_folders_and_feeds_are_joined(tmp_path: Path) -> None:
    feed, stations = feed_in(tmp_path / "feed"), stations_in(tmp_path / "stations")
    for path in (stations, stations / "krl.toml"):
        loaded = load_network([path, feed])
        network = loaded.network
        assert (len(loaded.files), len(loaded.feeds)) == (4, 1)
        assert network.metres("krl", "A", "C") == 21_500
        assert network.metres("transjakarta_brt", "A", "C") == 2 * 1_106
        assert network.knows("mrt", "Blok M")
        # B2 is the other platform of the halte of B1.
        assert network.may_change("krl", "B", "transjakarta_brt", "B2") is True
        assert network.may_change("krl", "B", "transjakarta_brt", "A") is False


def test_a_file_takes_the_place_of_the_one_of_its_name(tmp_path: Path) -> None:
    own = tmp_path / "mrt.toml"
    own.write_text(head("mrt") + line('["Blok M", 0], ["ASEAN", 999]', service="mrt"))
    loaded = load_network([own])
    assert len(loaded.files) == 3
    assert loaded.network.metres("mrt", "Blok M", "ASEAN") == 999
    assert not loaded.network.knows("mrt", "Senayan")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    feed, stations = feed_in(tmp_path / "feed"), stations_in(tmp_path / "stations")
    (feed / "trips.txt").unlink()
    (stations / "a.toml").write_text("x")
    (stations / "latin.toml").write_bytes(b"# a\n# \xe9\n")
    with pytest.raises(RulesInvalid) as caught:
        load_network([tmp_path, stations, feed])
    assert [(fault.file, fault.line) for fault in caught.value.faults] == [
        (str(tmp_path), 1),
        (str(feed / "trips.txt"), 1),
        (str(stations / "a.toml"), 1),
        (str(stations / "latin.toml"), 2),
    ]
    with pytest.raises(click.ClickException, match=r"a\.toml:1: no TOML"):
        network_of([stations])


def test_parts_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    feed, stations = feed_in(tmp_path / "feed"), stations_in(tmp_path / "stations")
    text = (stations / "krl.toml").read_text()
    (stations / "krl.toml").write_text(text.replace("B1", "Z1"))
    with pytest.raises(RulesInvalid, match=r"krl\.toml:17: transfer 1: places: no line of transj"):
        load_network([stations, feed])
    load_network([stations])
