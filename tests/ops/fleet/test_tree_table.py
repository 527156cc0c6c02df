"""The supervision tree, drawn."""

from __future__ import annotations

from ops.fleet.tree_table import draw, rates
from terminals.messages import Tree, TreeRow
from tests.ops.fleet.screen import seen, words


def row(depth: int, name: str, state: str = "running", **more: object) -> TreeRow:
    plain = TreeRow(depth, name, "worker", state, 65_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, "")
    return plain._replace(**more)  # type: ignore[arg-type]


def tree(*rows: TreeRow, at_ms: int = 0, quarantined: int = 0) -> Tree:
    return Tree(rows, at_ms, quarantined, 123_456)


NODE = (
    row(0, "node"),
    row(1, "shard", restarts=2, last_end="crashed StorageFull"),
    row(2, "committer", waiting=12_000, waiting_max=16_384, oldest_ms=250, accepted=5_000),
    row(1, "listener", live=3, started=40, crashed=1),
    row(2, "accept"),
    row(2, "terminal-1"),
    row(2, "terminal-2", "overdue"),
    row(2, "terminal-3"),
    row(1, "desk", waiting_max=256, refused=4),
)


def drawn(found: Tree) -> list[str]:
    per_s = [5_000.0 if each.waiting_max else None for each in found.rows]
    return seen(lambda console: console.print(draw(found, per_s))).splitlines()


def test_the_tree_is_drawn_as_a_tree() -> None:
    head, *lines, _ = drawn(tree(*NODE))
    names = [line[: head.index("state")].rstrip() for line in lines]
    assert names == [
        "node",
        "├── shard",
        "│   └── committer",
        "├── listener",
        "│   ├── accept",
        "│   ├── terminal-2",
        "│   └── 3 that come and go",
        "└── desk",
    ]


def test_figures_stand_beside_those_whose_they_are() -> None:
    lines = [words(line) for line in drawn(tree(*NODE, quarantined=2))]
    assert "├── shard running 65 s 2 crashed StorageFull" in lines
    assert "│ └── committer running 65 s 0 12,000/16,384 250 ms 5,000.0" in lines
    assert "├── listener running 65 s 0 40 came, 1 crashed" in lines
    assert "└── desk running 65 s 0 0/256 - 5,000.0 4 turned away" in lines
    assert lines[-1] == "journal at position 123,456; 2 cards quarantined"


def test_a_tree_of_nonsense_is_drawn_all_the_same() -> None:
    deep = tree(row(3, "a"), *(row(depth, "\x1b") for depth in range(1_000)))
    assert len(drawn(deep)) > 1_000


def test_rates_are_what_was_taken_between_two_looks() -> None:
    before = tree(row(0, "node"), row(1, "desk", waiting_max=9, accepted=100), at_ms=1_000)
    after = tree(
        row(0, "node"),
        row(1, "desk", waiting_max=9, accepted=350),
        row(1, "fleet", waiting_max=9, accepted=7),
        at_ms=3_000,
    )
    assert rates(before, after) == [None, 125.0, None]


def test_there_is_no_rate_where_it_was_started_anew_or_no_time_has_passed() -> None:
    before = tree(row(0, "desk", waiting_max=9, accepted=100), at_ms=1_000)
    anew = tree(row(0, "desk", waiting_max=9, accepted=50), at_ms=2_000)
    assert rates(before, anew) == [None]
    assert rates(before, before) == [None]
