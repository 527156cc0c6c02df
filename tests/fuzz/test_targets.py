"""What a fuzzer led by coverage calls, tried without that fuzzer."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from tests.fuzz import atheris_protocol
from tests.fuzz.cases import FRAMES, PAYLOADS
from tests.fuzz.targets import KINDS, ChanceOfBytes, call
from tests.protocol.peer import UPGRADE


def test_chance_is_what_the_bytes_say_and_then_the_least() -> None:
    chance = ChanceOfBytes(b"\x01\x02\x03")
    assert (chance.getrandbits(8), chance.getrandbits(16), chance.getrandbits(32)) == (1, 770, 0)
    chance = ChanceOfBytes(b"\xff\xff")
    assert 0.99 < chance.random() < 1
    assert chance.random() == 0.0
    assert [chance.choice("abc"), chance.randint(3, 9), chance.randbytes(2)] == ["a", 3, b"\0\0"]


def test_every_kind_of_input_is_taken() -> None:
    rng = random.Random(1)
    call(b"")
    for kind in range(KINDS):
        for data in (b"", *PAYLOADS, *FRAMES, UPGRADE, rng.randbytes(2_000)):
            call(bytes([kind]) + data)


def test_without_the_fuzzer_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atheris_protocol, "TOOL", "no_such_fuzzer")
    with pytest.raises(SystemExit, match="no_such_fuzzer is not installed"):
        atheris_protocol.main()


def test_the_command_hands_the_targets_to_the_fuzzer(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []

    class Nothing:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    def instrument(include: list[str]) -> Nothing:
        called.append(include)
        return Nothing()

    fuzzer = SimpleNamespace(
        instrument_imports=instrument,
        Setup=lambda _arguments, target: called.append(target),
        Fuzz=lambda: called.append("fuzz"),
    )
    monkeypatch.setattr(atheris_protocol, "find_spec", lambda _: True)
    monkeypatch.setattr(
        atheris_protocol,
        "import_module",
        lambda name: fuzzer if name == "atheris" else SimpleNamespace(call=call),
    )
    atheris_protocol.main()
    assert called == [["protocol", "engine", "websockets"], call, "fuzz"]
