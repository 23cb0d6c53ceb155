"""One write of a file of a cgroup, by the descriptor of its hierarchy."""

from isolib.linux.door import lib


def write_file(directory: int, path: str, text: str) -> int:
    """Open, write, close: 0, or the errno of what failed. EINTR: a limit of v1 reclaims, and a signal came."""
    raw = text.encode()
    result: int = lib.iso_write_file(directory, path.encode("utf-8", "surrogateescape"), raw, len(raw))
    return -result if result < 0 else 0
