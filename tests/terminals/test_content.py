"""The content of lists: what it maps, how it changes, and what is no content."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import repeat
from typing import TypeAlias

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fleet.list_file import EMPTY_HASH, ListFile, content_hash, make_file
from engine.fleet.lists import in_order
from terminals import content
from terminals.errors import ListUnusable

Changed: TypeAlias = Callable[[bytes], bytes]

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=6)
VALUES = st.text(max_size=8)
LISTS = st.dictionaries(KEYS, VALUES, max_size=300)
CHANGES = st.dictionaries(KEYS, st.none() | VALUES, max_size=200)


def unpacked(file: ListFile) -> content.Content:
    return content.whole(content.inflated(file.data, file.content_bytes))


def cards(count: int, step: int = 1) -> dict[str, str | None]:
    return {f"60135001{number * step:08}": "lost" for number in range(count)}


@given(LISTS)
def test_a_whole_file_leads_to_what_was_published(listed: dict[str, str]) -> None:
    file = make_file(sorted(listed.items()))
    found = unpacked(file)
    assert list(found) == sorted(listed.items())
    assert (found.entries, found.size_bytes) == (file.entries, file.content_bytes)
    assert found.hash == file.hash
    assert b"".join(found.pieces()) == zlib.decompress(file.data)
    assert all(found.get(key) == value for key, value in listed.items())
    assert found.get("") is None
    assert found.get("~" * 9) is None


@given(LISTS, st.lists(CHANGES, max_size=4))
def test_changes_lead_where_they_led_the_node(
    listed: dict[str, str], changes: list[dict[str, str | None]]
) -> None:
    found = unpacked(make_file(sorted(listed.items())))
    before = found, dict(listed)
    for change in changes:
        file = make_file(in_order(change))
        found = found.changed(content.puts(content.inflated(file.data, file.content_bytes)))
        for key, value in change.items():
            listed.pop(key, None) if value is None else listed.update({key: value})
        assert list(found) == sorted(listed.items())
        assert found.hash == content_hash(sorted(listed.items()))
        assert found.entries == len(listed)
    assert list(before[0]) == sorted(before[1].items())


def test_blocks_stay_short_whatever_is_put_between_them() -> None:
    found = unpacked(make_file(in_order(cards(1_000, step=100))))
    for shift in range(1, 40):
        found = found.changed((f"60135001{at * 100 + shift:08}", "x") for at in range(500))
    blocks = list(found.pieces())
    sizes = [len(list(content.whole([block]))) for block in blocks]
    assert sum(sizes) == found.entries == 1_000 + 39 * 500
    assert max(sizes) <= content.BLOCK_ENTRIES_MAX


def test_a_change_shares_all_that_it_does_not_touch() -> None:
    before = unpacked(make_file(in_order(cards(10_000))))
    after = before.changed([("6013500100005000", None)])
    old, new = list(before.pieces()), list(after.pieces())
    assert len(old) == len(new)
    assert sum(one is not other for one, other in zip(old, new, strict=True)) == 1


def test_nothing_is_a_content_too() -> None:
    assert content.EMPTY.hash == EMPTY_HASH
    assert content.whole([]).hash == EMPTY_HASH
    assert list(content.EMPTY) == []
    assert content.EMPTY.get("x") is None
    emptied = unpacked(make_file(in_order(cards(200)))).changed(zip(cards(200), repeat(None)))
    assert (emptied.hash, emptied.entries, list(emptied)) == (EMPTY_HASH, 0, [])


def packed(*entries: object) -> bytes:
    return b"".join(map(msgpack.Packer().pack, entries))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (packed("text"), "no pair"),
        (packed(5), "no pair"),
        (packed(["a"]), "no pair"),
        (packed(["a", "b", "c"]), "not packed"),
        (packed(["a", ["b"]]), "no text"),
        (packed([5, "b"]), "no text"),
        (packed(["a", 5]), "no text"),
        (packed(["a", b"b"]), "not packed"),
        (packed({"a": "b"}), "not packed"),
        (packed(["", "b"]), "do not ascend"),
        (packed(["b", ""], ["a", ""]), "do not ascend"),
        (packed(["a", ""], ["a", ""]), "do not ascend"),
        (packed(["x" * 129, ""]), "a key has more"),
        (packed(["x", "y" * 1_001]), "a value has more"),
        (packed(["x", "\U0001f600" * 1_001]), "not packed"),
        (packed(["a", "b"])[:-1], "ends within"),
        (packed(["a", "b"]) + b"\xc1", "not packed"),
        (b"\x92\xa1\xff\xa1b", "not packed"),
        (b"\x91" * 50, "not packed|ends within"),
        (packed(["a", None]), "removes a key"),
        (b"\xdc\x00\x02\xa1a\xa1b", "longer than it need be"),
        (b"\x92\xd9\x01a\xa1b", "longer than it need be"),
        (packed(*([f"{number:04}", ""] for number in range(64)), ["0063", ""]), "not ascend"),
    ],
)
def test_what_is_no_list_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(ListUnusable, match=text):
        content.whole([data])


@given(st.binary(max_size=300))
def test_noise_is_refused_in_one_way_only(data: bytes) -> None:
    for read in (content.whole, lambda pieces: list(content.puts(pieces))):
        try:
            read([data])
        except ListUnusable:
            continue


@given(st.binary(max_size=300), st.integers(0, 400))
def test_noise_is_not_inflated(data: bytes, content_bytes: int) -> None:
    with pytest.raises(ListUnusable):
        list(content.inflated(data, content_bytes))


def test_a_bomb_is_given_up_at_the_first_byte_too_many() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    given_out: list[int] = []
    with pytest.raises(ListUnusable, match="longer than 100000 bytes"):
        given_out.extend(map(len, content.inflated(bomb, 100_000)))
    assert sum(given_out) <= 100_000


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: data + b"x", "more behind"),
        (lambda data: data + bytes(100_000), "more behind"),
        (lambda data: data[:-1], "cut off"),
        (lambda data: data[:-5], "cut off"),
        (lambda data: data[:0], "cut off"),
        (lambda data: data[:50] + b"\xff" + data[51:], "not compressed"),
        (lambda data: b"x" + data, "not compressed"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(change: Changed, text: str) -> None:
    file = make_file(in_order(cards(5_000, step=7)))
    with pytest.raises(ListUnusable, match=text):
        list(content.inflated(change(file.data), file.content_bytes))


@pytest.mark.parametrize("wrong_by", [-1, 1, -100, 100_000])
def test_a_length_that_was_told_wrongly_is_refused(wrong_by: int) -> None:
    file = make_file(in_order(cards(5_000)))
    with pytest.raises(ListUnusable):
        list(content.inflated(file.data, file.content_bytes + wrong_by))


def test_a_long_file_is_inflated_in_pieces() -> None:
    data = b"".join(zlib.crc32(bytes([n % 251] * 9)).to_bytes(4) * 3 for n in range(50_000))
    pieces = list(content.inflated(zlib.compress(data), len(data)))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 65_536
