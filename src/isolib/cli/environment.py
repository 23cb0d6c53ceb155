"""-e and --env-file: words and files to the variables of a command."""

import os

from isolib.cli.options import Given, wrong

BIGGEST = 16 * 1024 * 1024  # bytes of a file of variables: the kernel takes less than that in all (execve(2))


def environment(given: Given) -> dict[str, str]:
    """Files first, then what is named one by one; the last value of a name counts."""
    found: dict[str, str] = {}
    for path in given.all("env-file"):
        found |= _file(path)
    for text in given.all("env"):
        found |= _variable(f"-e {text}", text)
    return found


def _variable(where: str, text: str) -> dict[str, str]:
    """``NAME=VALUE``; a NAME alone takes the caller's value, and nothing where he has none."""
    name, equals, value = text.partition("=")
    if not name:
        raise wrong(where, "a variable has a name: write NAME=VALUE")
    if equals:
        return {name: value}
    return {name: os.environ[name]} if name in os.environ else {}


def _file(path: str) -> dict[str, str]:
    where = f"--env-file {path}"
    try:
        with open(path, "rb") as file:
            raw = file.read(BIGGEST + 1)
    except OSError as error:
        raise wrong(where, str(error.strerror)) from None
    if len(raw) > BIGGEST:
        raise wrong(where, "larger than 16 MiB")
    found: dict[str, str] = {}
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = os.fsdecode(line).removesuffix("\r").lstrip()
        if text and not text.startswith("#"):
            name = text.partition("=")[0]
            if name != name.strip() or any(c.isspace() for c in name):
                raise wrong(f"{path}:{number}", f"{name!r} is no name of a variable: write NAME=VALUE, without blanks")
            found |= _variable(f"{path}:{number}", text)
    return found
