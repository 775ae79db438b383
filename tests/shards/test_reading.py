"""Bytes of images from elsewhere: what may pass is tried again, and what stays is one sentence."""

import sys

import pytest

from crosspool.errors import DatasetError, ImageError, SettingError
from crosspool.shards import reading
from crosspool.shards.reading import ATTEMPTS, may_pass, read


class AnsweredError(Exception):
    """A server's answer, by its HTTP status."""

    def __init__(self, status):
        super().__init__(f"{status}")
        self.status = status


@pytest.fixture
def waits(monkeypatch):
    """The seconds between attempts, which do not pass."""
    seconds: list[float] = []
    monkeypatch.setattr(reading.attempts(), "sleep", seconds.append)
    return seconds


def server(*answers):
    """What reads a file: raises or returns one answer after the other."""
    rest = iter(answers)

    def load():
        answer = next(rest)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return load


def test_what_may_pass_is_tried_again_later_each_time(waits):
    assert read(server(ConnectionResetError(), AnsweredError(503), b"bytes"), "a.png") == b"bytes"
    first, second = waits
    assert 0.5 <= first <= 1.0 <= second <= 1.5


def test_after_some_attempts_the_last_reason_is_the_image_s_problem(waits):
    with pytest.raises(ImageError, match=r"^a\.png cannot be read \(503\); try again later\.$"):
        read(server(*[AnsweredError(503)] * ATTEMPTS), "a.png")
    assert len(waits) == ATTEMPTS - 1


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("a.png"), PermissionError(), ValueError("no address"), DatasetError("?"), AnsweredError(403)],
)
def test_what_stays_is_not_tried_again(waits, error):
    with pytest.raises(ImageError):
        read(server(error), "a.png")
    assert waits == []


@pytest.mark.parametrize(("status", "passes"), [(400, False), (404, False), (408, True), (429, True), (500, True)])
def test_servers_say_what_may_pass(status, passes):
    assert may_pass(AnsweredError(status)) == passes


def test_an_error_without_words_is_named(waits):
    with pytest.raises(ImageError, match=r"cannot be read \(ConnectionResetError\); try again later"):
        read(server(*[ConnectionResetError()] * ATTEMPTS), "a.png")


def test_what_it_needs_is_said_before_an_image_is_blamed(monkeypatch):
    reading.attempts.cache_clear()
    monkeypatch.setitem(sys.modules, "tenacity", None)
    with pytest.raises(SettingError, match=r"install crosspool\[store\]"):
        read(server(b"bytes"), "a.png")


def test_what_the_machine_lacks_is_not_the_image_s_problem(waits):
    with pytest.raises(SettingError, match="install s3fs"):
        read(server(SettingError("s3://a.png cannot be opened; install s3fs.")), "a.png")
    assert waits == []


def test_an_interruption_ends_it():
    assert not may_pass(KeyboardInterrupt())
