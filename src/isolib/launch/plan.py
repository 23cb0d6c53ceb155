"""A Plan: what a start will do, as data; made by compile(), shown by describe(), walked by init."""

from collections.abc import Iterator, Sequence
from functools import cached_property

from isolib.launch.steps import OPS, Step
from isolib.launch.wire import encode, encode_last

NAMESPACE_FLAGS = {
    "cgroup": 0x02000000,
    "ipc": 0x08000000,
    "mnt": 0x00020000,
    "net": 0x40000000,
    "pid": 0x20000000,
    "time": 0x00000080,
    "user": 0x10000000,
    "uts": 0x04000000,
}


def flag_words(flags: int) -> str:
    """``CLONE_NEW…`` flags in words, as ``NEWPID|NEWNET``."""
    names = {"mnt": "NEWNS"}
    return "|".join(names.get(k, f"NEW{k.upper()}") for k, flag in NAMESPACE_FLAGS.items() if flags & flag) or "0"


class Plan:
    """An immutable list of steps behind a clone with ``flags`` (CLONE_NEW…). The same Plan can be spawned many
    times.
    """

    def __init__(self, flags: int, steps: Sequence[Step], left_out: tuple[str, ...] = ()) -> None:
        self.flags = flags
        self.steps = tuple(steps)
        self.left_out = left_out  # what `Security.best_effort` gave up, in words

    @cached_property
    def encoded(self) -> bytes:
        """The buffer that crosses into init."""
        return encode(self.steps)

    def __eq__(self, other: object) -> bool:
        own = (self.flags, self.steps, self.left_out)
        return isinstance(other, Plan) and own == (other.flags, other.steps, other.left_out)

    def __hash__(self) -> int:
        return hash((self.flags, self.steps))

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"<Plan of {len(self.steps)} steps, clone3({flag_words(self.flags)})>"

    def insert(self, index: int, step: Step) -> "Plan":
        """A Plan with one more step before ``index``: how a test makes a start fail, wait or die at a chosen place."""
        return Plan(self.flags, (*self.steps[:index], step, *self.steps[index:]), self.left_out)

    def ending(self, step: Step) -> "Plan":
        """A Plan with another last step, as cheap as that step is."""
        plan = Plan(self.flags, (*self.steps[:-1], step), self.left_out)
        plan.encoded = encode_last(self.encoded, step)
        return plan

    def describe(self) -> str:
        """The dry run: one line a system call, in order, with its reason."""
        clone = f"{'clone3(' + flag_words(self.flags) + '|VM|VFORK)':<72} init, in new namespaces"
        lines = [clone, f"{'execveat(isolib-init)':<72} a sealed program: nothing of the caller's memory is left"]
        width = len(str(len(self.steps)))
        lines += [f"{step.describe()}" for step in self.steps]
        return "\n".join(f"{i:>{width}}  {line}".rstrip() for i, line in enumerate(lines, -2))


def named(steps: Sequence[Step], word: str) -> list[Step]:
    """The steps of one word."""
    assert word in OPS, word
    return [step for step in steps if step.word == word]
