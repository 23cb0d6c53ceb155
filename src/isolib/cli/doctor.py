"""`isolib doctor`."""

from isolib.cli.help import Page
from isolib.cli.options import Section, parse, wrong
from isolib.cli.output import coloured, print_json, wants_json, width
from isolib.cli.words import ELSEWHERE, HELP, JSON

PAGE = Page(
    "doctor",
    ("isolib doctor [OPTIONS]",),
    "say what this host can and cannot do",
    """
    Each thing is tried out, as the user who asks, and what is missing is told with the reason and the remedy. The exit
    code is 0 where containers can be run, whatever else is missing, and 1 where not.
    """,
    (Section("Output", (*JSON, HELP)),),
    (("what a script may count on", "isolib doctor --json"),),
)


def main(words: list[str]) -> int:
    """Prints the table."""
    given = parse(words, PAGE.options, ELSEWHERE)
    if given.on("help"):
        print(PAGE.render(width()))
        return 0
    if given.words:
        raise wrong("", f"{given.words[0]!r}: isolib doctor takes no words")
    as_json = wants_json(given)
    from isolib.engine.doctor import doctor

    found = doctor()
    if as_json:
        findings = [{name: getattr(finding, name) for name in finding.__struct_fields__} for finding in found]
        print_json({"ok": found.ok, "host": found.host, "findings": findings})
    else:
        print(found.table(width(), coloured("yes", 32), coloured("no ", 31)))
    return 0 if found.ok else 1
