"""Terminal and Raw: sizes, the other side's hang-up, and a terminal that is given back as it was."""

import os
import pty
import signal
import termios
from collections.abc import Iterator

import pytest

from isolib.handles.terminal import Raw, Size, Terminal, size_of


@pytest.fixture
def pair() -> Iterator[tuple[Terminal, int]]:
    """A master, and the terminal that is its other side."""
    master, terminal = pty.openpty()
    with Terminal(master) as ours:
        yield ours, terminal
    os.close(terminal)


def test_a_window_without_a_size(pair: tuple[Terminal, int]) -> None:
    assert pair[0].size is None
    assert size_of(pair[1]) is None


def test_a_size_is_seen_on_both_sides(pair: tuple[Terminal, int]) -> None:
    pair[0].resize(Size(24, 80))
    assert pair[0].size == size_of(pair[1]) == Size(rows=24, columns=80)


def test_what_is_no_terminal_has_no_size() -> None:
    with open(os.devnull) as null:
        assert size_of(null.fileno()) is None


def test_closed_it_hangs_up(pair: tuple[Terminal, int]) -> None:
    assert "closed" not in repr(pair[0])
    pair[0].close()
    pair[0].close()
    assert repr(pair[0]) == "<Terminal closed>"
    assert os.read(pair[1], 1) == b""
    with pytest.raises(OSError, match="Input/output error"):
        os.write(pair[1], b"x")


def test_raw_and_as_before(pair: tuple[Terminal, int]) -> None:
    before = termios.tcgetattr(pair[1])
    with Raw(pair[1]) as raw:
        raw.enter()  # a second time: nothing
        assert not termios.tcgetattr(pair[1])[3] & (termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        os.write(pair[0].fileno(), b"\x03")
        assert os.read(pair[1], 1) == b"\x03"
        raw.leave()
        assert termios.tcgetattr(pair[1]) == before
        raw.enter()
    assert termios.tcgetattr(pair[1]) == before


def test_as_before_after_an_exception(pair: tuple[Terminal, int]) -> None:
    before = termios.tcgetattr(pair[1])
    with pytest.raises(KeyError), Raw(pair[1]):
        raise KeyError
    assert termios.tcgetattr(pair[1]) == before


def test_a_terminal_that_has_gone(pair: tuple[Terminal, int]) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Raw(pair[1]):
        pair[0].close()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_what_is_no_terminal_cannot_be_raw() -> None:
    with open(os.devnull) as null, pytest.raises(OSError, match="Inappropriate ioctl"):
        Raw(null.fileno()).enter()
