"""Several cards at once: all are seen, and none is left behind."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

from ops.virtual_card import rack as racks
from ops.virtual_card.card import Tear
from ops.virtual_card.image_file import ImageFile, NotKept
from ops.virtual_card.rack import Placed, Rack
from ops.virtual_card.vpcd import NoReader
from tests.ops.virtual_card.cards import fresh
from tests.ops.virtual_card.driver import WAIT_S, driver
from tests.ops.virtual_card.test_vpcd import SELECT, free_port


def test_all_cards_are_seen_and_run_until_they_are_torn() -> None:
    with driver() as first, driver() as second:
        placed = [Placed(fresh(), first.port), Placed(fresh(), second.port)]
        for each in placed:
            each.card.tear = Tear(1, done=False)
        seen = Event()
        rack = Rack(placed, "127.0.0.1", connect_s_max=WAIT_S)
        thread = Thread(target=rack.run, args=(seen.set,))
        thread.start()
        for reader in (first, second):
            reader.accept()
            assert reader.ask("04") == "3B8180018080"
        assert seen.wait(WAIT_S)
        for reader in (first, second):
            assert reader.ask(SELECT) == "9000"
            assert reader.ask(SELECT) is None
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_without_a_driver_nothing_is_seen() -> None:
    rack = Rack([Placed(fresh(), free_port())], "127.0.0.1", connect_s_max=0.05)
    with pytest.raises(NoReader, match="no driver"):
        rack.run(pytest.fail)


def test_a_reader_that_does_not_look_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(racks, "STOP_S", 0.3)
    with driver() as reader:
        rack = Rack([Placed(fresh(), reader.port)], "127.0.0.1", connect_s_max=0.05)
        with pytest.raises(NoReader, match="does not look"):
            rack.run(pytest.fail)


def test_a_card_that_is_not_kept_ends_it(tmp_path: Path) -> None:
    with driver() as reader:
        file = ImageFile(tmp_path / "none" / "siti.card")
        rack = Rack([Placed(fresh(), reader.port, file)], "127.0.0.1", connect_s_max=WAIT_S)
        caught: list[Exception] = []

        def run() -> None:
            try:
                rack.run(lambda: None)
            except NotKept as error:
                caught.append(error)

        thread = Thread(target=run)
        thread.start()
        reader.accept()
        assert reader.ask(SELECT) == "9000"
        reader.ask("9071000002000000")
        assert reader.ask("90AF000020" + "00" * 32 + "00") is None
        thread.join(WAIT_S)
        assert "siti.card" in str(caught[0])
