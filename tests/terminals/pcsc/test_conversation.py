"""A context is released once, and not while anybody uses it."""

from __future__ import annotations

import threading

import pytest

from terminals.errors import ReaderFailed
from terminals.pcsc.conversation import Conversation
from terminals.pcsc.service import Context, Slot
from tests.terminals.pcsc.fake_service import WAIT_S_MAX, FakeContext, FakeService


def test_its_maker_releases_it_when_nobody_else_uses_it() -> None:
    service, conversation = FakeService("A"), Conversation()
    conversation.begin(service.establish)
    assert conversation.use(lambda context: context.readers()) == ("A",)
    assert service.open_contexts == 1
    conversation.leave()
    assert service.open_contexts == 0


def test_whoever_comes_back_last_releases_it() -> None:
    service, conversation, waiting = FakeService("A"), Conversation(), threading.Event()

    def wait(context: Context) -> dict[str, Slot]:
        waiting.set()
        return context.wait(service.slots)

    conversation.begin(service.establish)
    thread = threading.Thread(target=conversation.use, args=(wait,))
    thread.start()
    assert waiting.wait(WAIT_S_MAX)
    conversation.leave()
    assert service.open_contexts == 1
    service.plug("B")
    thread.join(WAIT_S_MAX)
    assert service.open_contexts == 0


def test_one_that_begins_after_its_maker_has_left_is_released_at_once() -> None:
    service, conversation = FakeService("A"), Conversation()

    def slowly() -> FakeContext:
        conversation.leave()
        return service.establish()

    conversation.begin(slowly)
    assert service.open_contexts == 0


def test_one_that_never_began_has_nothing_to_release_or_to_cancel() -> None:
    service, conversation = FakeService("A"), Conversation()
    service.stop()
    with pytest.raises(ReaderFailed):
        conversation.begin(service.establish)
    conversation.cancel()
    conversation.leave()
    assert service.open_contexts == 0


def test_a_cancellation_that_comes_after_the_end_does_not_touch_it() -> None:
    service, conversation = FakeService("A"), Conversation()
    conversation.begin(service.establish)
    conversation.leave()
    conversation.cancel()
    assert service.open_contexts == 0
