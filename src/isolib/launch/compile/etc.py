"""Names and resolver of a root made of directories: the files in /etc that every container has of its own."""

from collections.abc import Iterator

from isolib.launch import steps
from isolib.launch.compile.overlay import bind_read_only, show_file
from isolib.launch.compile.story import Story

RESOLVER = "/etc/resolv.conf"


def fill(story: Story, upper: str) -> None:
    """Puts mount points and files into an upper directory before it is mounted: no name of the layers is followed."""
    for name in ("proc", "sys", "dev"):
        story.add(steps.mkdir(story.upper, f"{upper}/{name}"))
    story.add(steps.mkdir(story.upper, f"{upper}/tmp", 0o1777))
    for path, data in _files(story):
        story.add(steps.file(story.upper, upper + path, data))
    if _has_resolver(story):
        story.add(steps.file(story.upper, upper + RESOLVER, b""))


def show_etc(story: Story, *, filled: bool) -> None:
    """What is bound: the host's resolver, and in a root that keeps its writes all of it, where it has the files."""
    make = False if filled else None
    for path, data in () if filled else _files(story):
        show_file(story, path, data, 0o644, make)
    if _has_resolver(story):
        bind_read_only(story, story.host.resolver, RESOLVER, make, "the host's, for its network")


def show_resolver(story: Story, hidden: bool) -> None:
    """On the host's own root its file is there already, unless it lies where the container has an empty directory."""
    if hidden and _has_resolver(story):
        bind_read_only(story, story.host.resolver, story.host.resolver, why="the host's, for its network")


def _has_resolver(story: Story) -> bool:
    wanted = story.spec.namespace("net") == "host" and RESOLVER not in story.targets
    return wanted and bool(story.host.resolver)


def _files(story: Story) -> Iterator[tuple[str, bytes]]:
    hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    if story.new("uts"):
        hosts += f"127.0.1.1\t{story.hostname}\n"
    if "/etc/hosts" not in story.targets:
        yield "/etc/hosts", hosts.encode()
    if story.new("uts") and "/etc/hostname" not in story.targets:
        yield "/etc/hostname", f"{story.hostname}\n".encode()
