"""What people write where one word of a fixed list is meant, and what they probably meant."""

from collections.abc import Iterable


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'mount'?`` where one known word is close to `word`, else nothing: the end of a sentence."""
    from difflib import get_close_matches  # 3 ms, and only ever needed by a mistake

    close = get_close_matches(word, known, 1) if isinstance(word, str) and len(word) < 100 else []
    return f"; did you mean {close[0]!r}?" if close else ""
