"""A command line of `run` and `plan` as one ContainerSpec, and which words each part of it came from."""

import os
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from msgspec.structs import replace

from isolib.cli import limits, mounts
from isolib.cli.environment import environment
from isolib.cli.options import Given, number, wrong
from isolib.cli.security import security
from isolib.cli.words import RUN
from isolib.engine.run import container_spec
from isolib.errors import Problem, SpecError
from isolib.handles.terminal import window
from isolib.image.image import Image
from isolib.spec.container import ContainerSpec, Scratch, Where
from isolib.spec.ids import Ids
from isolib.spec.process import ProcessOptions

# What errors call by its name in Python, and what it is called here.
_IN_WORDS = (
    ("ids='auto' (needs sub-ids)", "--userns auto (needs sub-ids)"),
    ("ids='auto'", "--userns auto"),
    ("optional=True", "the option optional"),
    ("(image=)", "(--rootfs)"),
    ("leave namespaces['user'] new", "leave out --userns host"),
    ("give another cwd", "give another --workdir"),
)


class Request(NamedTuple):
    """What is to be run, and where its parts were said: place in the spec -> words of the command line."""

    spec: ContainerSpec
    said: Mapping[str, str]

    def told(self, error: SpecError) -> SpecError:
        """The same problems, each at the words that it came from."""
        return SpecError(self._told(problem) for problem in error.problems)

    def _told(self, problem: Problem) -> Problem:
        what = in_words(re.sub(r"mounts\[\d+\]", lambda found: self.said.get(found[0], found[0]), problem.what))
        for place in sorted(self.said, key=len, reverse=True):
            if problem.where == place or problem.where.startswith((f"{place}.", f"{place}[")):
                return Problem(self.said[place], what)
        return Problem(problem.where, what)


def in_words(text: str) -> str:
    """An error's text with the command line's words for Python's."""
    for python, here in _IN_WORDS:
        text = text.replace(python, here)
    return text


def request(given: Given) -> Request:
    """Raises SpecError for words that cannot be meant; what the spec makes of the rest is checked at the start."""
    image, argv = _image(given)
    told = mounts.mounts(given)
    namespaces, ids = _namespaces(given)
    found = container_spec(
        argv,
        image=image,
        env=environment(given),
        cwd=given.one("workdir"),
        user=given.one("user"),
        hostname=given.one("hostname"),
        mounts=[mount for _, mount in told],
        limits=limits.limits(given),
        security=security(given),
        process=_process(given),
        namespaces=namespaces,
        ids=ids,
        scratch=_scratch(given.one("storage-opt")),
        terminal=given.on("tty"),
    )
    found = replace(
        found, sysctls=_sysctls(given), shm_size=given.one("shm-size"), window=window() if given.on("tty") else None
    )
    return Request(found, _places(given) | {f"mounts[{i}]": words for i, (words, _) in enumerate(told)})


def _places(given: Given) -> dict[str, str]:
    """The part of the spec that each option given fills; ``argv`` is the command, and says so."""
    options = [option for section in RUN for option in section.options if option.key in given.values]
    return {option.place: option.spellings[-1] for option in options if option.place} | {"argv": "the command"}


def _image(given: Given) -> tuple[Image, list[str]]:
    """The root, and the command: after ``--`` or with --rootfs every word is its, else the first is an image."""
    rootfs, words = given.one("rootfs"), list(given.words)
    if rootfs is not None:
        image = _directory("--rootfs", rootfs, given)
    elif given.dashes or not words:
        image = _host(given)
    else:
        image = _named(words.pop(0), given)
        words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise wrong("", "there is no command; this machine's own files are the root of: isolib run -- COMMAND")
    return image, words


def _host(given: Given, rights: Literal["user", "root"] = "user") -> Image:
    if given.on("read-only"):
        raise wrong("--read-only", "needs a root of its own (--rootfs DIR): writes to this machine's go nowhere anyway")
    return Image.host(rights=rights)


def _directory(where: str, text: str, given: Given) -> Image:
    path, colon, word = text.rpartition(":")
    if not colon or "/" in word or os.path.isdir(text):
        path, word = text, ""
    if word not in ("", "keep"):
        raise wrong(where, f"{text!r}: after the directory there is only :keep")
    if not os.path.isdir(path):
        raise wrong(where, f"{path!r} is no directory")
    if word and given.on("read-only"):
        raise wrong(where, "keep and --read-only are opposites")
    return Image.directory(path, writes="keep" if word else "deny" if given.on("read-only") else "discard")


def _named(word: str, given: Given) -> Image:
    if word in ("host", "host:root"):
        return _host(given, "root" if word == "host:root" else "user")
    if "/" in word and os.path.isdir(word):
        return _directory("", word, given)
    from shutil import which

    if "/" not in word and which(word):
        raise wrong("", f"{word!r} stands where an image is named; to run the program here: isolib run -- {word} …")
    raise wrong(
        "", f"there is no image {word!r}: an image is the word host, or a directory as ./{word.strip('/') or 'root'}"
    )


_ALONE = ("", "private", "new")


def _namespaces(given: Given) -> tuple[dict[str, Where], Ids | None]:
    found: dict[str, Where] = {}
    for option, kind in (("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("cgroupns", "cgroup"), ("network", "net")):
        value = given.one(option)
        if value == "host":
            found[kind] = "host"
        elif value is not None and value not in (("none",) if option == "network" else _ALONE):
            known = "none and host" if option == "network" else "host and private"
            raise wrong(f"--{option}", f"{value!r}: there are {known}")
    if found.get("uts") == "host" and (given.one("hostname") or given.one("domainname")):
        raise wrong("--hostname", "--uts host shares the host's name, which a container does not change")
    ids = given.one("userns")
    if ids == "host":
        return {**found, "user": "host"}, None
    return found, Ids.parse(ids, "--userns") if ids else None


def _process(given: Given) -> ProcessOptions:
    umask, score = given.one("umask"), given.one("oom-score-adj")
    return ProcessOptions(
        rlimits=limits.rlimits(given),
        groups=tuple(given.all("group-add")),
        umask=None if umask is None else mounts.octal("--umask", umask),
        oom_score_adj=None if score is None else number("--oom-score-adj", score),
        domainname=given.one("domainname"),
    )


def _sysctls(given: Given) -> dict[str, str]:
    pairs = [text.partition("=") for text in given.all("sysctl")]
    for name, equals, _ in pairs:
        if not equals:
            raise wrong(f"--sysctl {name}", "write NAME=VALUE, as net.ipv4.ip_forward=1")
    return {name: value for name, _, value in pairs}


def _scratch(text: str | None) -> Scratch | None:
    if text is None:
        return None
    name, _, size = text.partition("=")
    if name != "size" or not size:
        raise wrong("--storage-opt", f"{text!r}: there is size=SIZE")
    return Scratch(size=size)
