"""`lists`: published, approved by a second officer, and followed until terminals hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ops.commands.fleet_place import FleetPlace, Gate, connected

pytestmark = pytest.mark.slow

ROW = [
    *("name", "version", "hash", "entries", "file_bytes", "published_ms", "activate_ms"),
    *("officer", "second_officer", "note", "holders", "connected", "reached_ms", "mismatches"),
]


def written(tmp_path: Path, *rows: str, head: str = "key,value") -> Path:
    path = tmp_path / "list.csv"
    path.write_text("\n".join([head, *rows]))
    return path


def publish(place: FleetPlace, name: str, file: Path, *more: object) -> dict[str, Any]:
    return place.told("lists", "publish", name, file, "--yes", *more)


def of(place: FleetPlace, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = place.told("lists")["lists"]
    return next((row for row in found if row["name"] == name), {"version": 0})


def test_a_list_is_published_and_shown(place: FleetPlace, tmp_path: Path) -> None:
    done = publish(
        *(place, "fares", written(tmp_path, "mrt,14000", "lrt,5000"), "--whole"),
        *("--note", "Kepgub 733/2023", "--activate-at", "2090-01-01T04:00"),
    )
    assert list(done) == ["id", "result", "version", "changes", "list", "base"]
    assert (done["result"], done["version"], done["changes"]) == ("done", 1, 2)
    assert (done["list"], done["base"]) == ("fares", 0)
    row = of(place, "fares")
    assert list(row) == ROW
    assert (row["officer"], row["note"], row["entries"]) == ("ani", "Kepgub 733/2023", 2)
    shown = place.call("lists", who="oki").stdout
    assert "2090-01-01 04:00" in shown
    assert "by ani" in shown


def test_a_change_puts_and_removes_and_a_whole_list_replaces(
    place: FleetPlace, tmp_path: Path
) -> None:
    publish(place, "rules", written(tmp_path, "a,1", "b,2", "c,3"), "--whole")
    change = written(tmp_path, "a,,yes", "b,20,", head="key,value,remove")
    assert publish(place, "rules", change)["changes"] == 2
    assert of(place, "rules")["entries"] == 2
    assert publish(place, "rules", written(tmp_path, "z,1"), "--whole")["changes"] == 3
    assert of(place, "rules")["entries"] == 1


def test_what_would_change_is_said_and_asked(place: FleetPlace, tmp_path: Path) -> None:
    file = written(tmp_path, "cap,1")
    no = place.call("lists", "publish", "settings", file, stdin="n\n")
    assert no.exit_code == 1
    assert "settings was never published. The file puts 1 key and removes 0." in no.stderr
    assert "order " not in no.stderr, "nothing was sent"
    yes = place.call("lists", "publish", "settings", file, stdin="y\n")
    assert yes.exit_code == 0
    assert "settings 1 is published: 1 key changed" in yes.stdout
    assert "--base 0" in yes.stderr
    whole = place.call("lists", "publish", "settings", file, "--whole", stdin="n\n")
    assert "settings has 1 entry in version 1. The file is the whole list: 1 key" in whole.stderr
    based = place.call("lists", "publish", "settings", file, "--base", "7", stdin="n\n")
    assert "settings is at version 1, not 7, with 1 entries" in based.stderr


def test_what_is_published_already_is_not_published_again(
    place: FleetPlace, tmp_path: Path
) -> None:
    file = written(tmp_path, "version,2.4.2")
    base = of(place, "firmware")["version"]
    first = publish(place, "firmware", file, "--id", "fw", "--base", base)
    again = publish(place, "firmware", file, "--id", "fw", "--base", base)
    assert again == first
    assert of(place, "firmware")["version"] == base + 1
    new = place.call("lists", "publish", "firmware", file, "--yes")
    assert new.exit_code == 1
    assert "refused, nothing_changes" in new.stderr
    late = place.call("lists", "publish", "firmware", file, "--yes", "--base", base)
    assert "refused, version_passed" in late.stderr


def test_a_list_sent_again_leaves_no_draft_behind(place: FleetPlace, tmp_path: Path) -> None:
    """A node has room for 16 drafts."""
    for number in range(20):
        file = written(tmp_path, f"url,{number}")
        base = of(place, "firmware")["version"]
        for _ in range(2):
            done = publish(place, "firmware", file, "--id", f"again-{number}", "--base", base)
            assert done["version"] == base + 1


def test_many_cards_wait_for_a_second_officer(place: FleetPlace, tmp_path: Path) -> None:
    file = written(tmp_path, *(f"60{n},stolen" for n in range(101)))
    base = of(place, "deny")["version"]
    first = publish(place, "deny", file, "--id", "many", "--base", base)
    assert (first["result"], first["changes"], first["version"]) == ("waiting", 101, 0)
    again = publish(place, "deny", file, "--id", "many", "--base", base)
    assert again == first
    (draft,) = place.told("lists")["drafts"]
    assert list(draft) == ["draft", "name", "officer", "changes", "made_ms", "note"]
    assert (draft["draft"], draft["officer"], draft["changes"]) == ("many", "ani", 101)
    assert "1 draft waiting for a second officer" in place.call("lists").stdout
    own = place.call("lists", "approve", "many")
    assert own.exit_code == 1
    assert "refused, second_officer" in own.stderr
    done = place.told("lists", "approve", "many", "--id", "ok", who="budi")
    assert (done["id"], done["draft"], done["version"]) == ("ok", "many", base + 1)
    assert place.told("lists", "approve", "many", "--id", "ok", who="budi") == done
    assert of(place, "deny")["second_officer"] == "budi"
    assert place.told("lists")["drafts"] == []


def test_a_person_is_told_what_waits_and_what_to_do(place: FleetPlace, tmp_path: Path) -> None:
    file = written(tmp_path, *(f"61{n},stolen" for n in range(101)))
    done = place.call("lists", "publish", "deny", file, "--yes", "--id", "more")
    assert "more waits: 101 cards" in done.stdout
    assert "jakarta-one lists approve more" in done.stdout
    away = place.call("lists", "withdraw", "more")
    assert away.stdout == "more is thrown away\n"
    gone = place.call("lists", "withdraw", "more")
    assert "refused, draft_unknown" in gone.stderr
    place.told("lists", "publish", "deny", file, "--yes", "--id", "more-2")
    approved = place.call("lists", "approve", "more-2", who="budi")
    assert "more-2 is published as version" in approved.stdout


def test_a_file_with_a_fault_is_not_sent(place: FleetPlace, tmp_path: Path) -> None:
    file = written(tmp_path, "601,lost", "not a card,lost")
    done = place.call("lists", "publish", "deny", file, "--yes")
    assert done.exit_code == 1
    assert "line 3, column key: 'not a card'" in done.stderr
    assert "order " not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["publish", "friends", "README.md"], "friends"),
        (["publish", "deny", "no-such-file.csv"], "no-such-file.csv"),
        (["publish", "deny", "README.md", "--note", "x" * 201], "longer than 200"),
        (["publish", "deny", "README.md", "--activate-at", "soon"], "no date"),
        (["wait", "deny", "--share", "101"], "--share"),
        (["nonsense"], "nonsense"),
    ],
)
def test_what_makes_no_sense_is_refused(place: FleetPlace, words: list[str], said: str) -> None:
    done = place.call("lists", *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_list_is_waited_for_until_so_many_hold_it(place: FleetPlace, tmp_path: Path) -> None:
    eager, idle = Gate("GATE-01"), Gate("GATE-02")
    eager.wanted = idle.wanted = ("rules",)
    idle.takes = False
    publish(place, "rules", written(tmp_path, "krl,3000"))
    with connected(place, eager, idle):
        half = place.told("lists", "wait", "rules", "--share", "50", "--timeout", "30")
        assert list(half) == ["reached", "share", "waited_s", "list"]
        assert half["reached"] is True
        assert (half["list"]["holders"], half["list"]["connected"]) == (1, 2)
        most = place.told("lists", "wait", "rules", "--timeout", "0.6", status=1)
        assert most["reached"] is False
        assert most["waited_s"] >= 0.6
        shown = place.call("lists", "wait", "rules", "--timeout", "0")
        assert shown.exit_code == 1
        assert "1 of 2 connected terminals hold it" in shown.stdout
        assert "that is not enough" in shown.stdout
    with connected(place, eager):
        shown = place.call("lists", "wait", "rules", "--share", "100")
        assert shown.exit_code == 0
        assert "it has spread" in shown.stdout


def test_nobody_is_not_enough(place: FleetPlace, tmp_path: Path) -> None:
    publish(place, "rules", written(tmp_path, "nobody,1"))
    assert place.told("lists", "wait", "rules", "--timeout", "0", status=1)["reached"] is False


def test_a_gate_that_wants_another_list_is_in_nobodys_way(
    place: FleetPlace, tmp_path: Path
) -> None:
    gate = Gate("GATE-03")
    gate.wanted = ("firmware",)
    with connected(place, gate):
        publish(place, "rules", written(tmp_path, "other,1"))
        assert of(place, "rules")["connected"] == 0
