"""List files: small, in order, and with a hash that anybody can compute."""

from __future__ import annotations

import io
import zlib
from hashlib import sha256

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from engine.fleet.list_file import EMPTY_HASH, content_hash, make_file


def packed(put: tuple[str, str]) -> bytes:
    """Pack an entry as any terminal would."""
    data: bytes = msgpack.Packer().pack(put)
    return data


CONTENTS = st.dictionaries(
    st.text(st.characters(codec="ascii"), min_size=1, max_size=200), st.text(max_size=300)
)


@given(content=CONTENTS)
def test_a_file_can_be_read_with_zlib_and_any_messagepack_library(content: dict[str, str]) -> None:
    puts = sorted(content.items())
    file = make_file(puts)
    raw = zlib.decompress(file.data)
    assert [tuple(put) for put in msgpack.Unpacker(io.BytesIO(raw))] == puts
    assert (file.content_bytes, file.entries) == (len(raw), len(puts))
    assert raw == b"".join(map(packed, puts)), "the shortest formats"
    assert file.hash == content_hash(puts) == sha256(raw).digest()


def test_a_file_of_several_batches_is_one_stream() -> None:
    puts = [(f"{number:06}", "lost") for number in range(2_500)]
    file = make_file(puts)
    assert zlib.decompress(file.data) == b"".join(map(packed, puts))
    assert file.hash == content_hash(puts)
    assert len(file.data) < file.content_bytes / 4


def test_the_hash_of_an_empty_list_is_that_of_no_bytes() -> None:
    assert sha256(b"").digest() == EMPTY_HASH
    assert zlib.decompress(make_file([]).data) == b""


def test_a_removed_key_stands_in_a_change_as_nil() -> None:
    assert zlib.decompress(make_file([("A", None)]).data) == msgpack.packb(["A", None])
