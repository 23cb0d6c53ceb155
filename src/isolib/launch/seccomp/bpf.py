"""Classic BPF as seccomp(2) takes it, written from its end to its start: then every jump knows how far it goes.

All jumps of classic BPF go forward, and a condition's reach is 255 instructions; what lies further gets a jump without
a condition (32 bits wide) right behind the condition, or a copy of it where it is a return.
"""

import struct

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: a word of struct seccomp_data
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP = 0x05  # BPF_JMP | BPF_JA
EQUAL, GREATER, AT_LEAST = 0x15, 0x25, 0x35  # BPF_JMP | BPF_JEQ, BPF_JGT, BPF_JGE | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

# struct seccomp_data: where the call's number, the machine and the halves of the arguments lie (little-endian).
NUMBER, MACHINE = 0, 4
MOST = 4096  # BPF_MAXINSNS
_REACH = 254  # of a condition, one kept back for a jump that the other branch may need

Label = int  # an instruction, counted from the end


def low(index: int) -> int:
    """The offset of the lower half of an argument."""
    return 16 + 8 * index


def high(index: int) -> int:
    return low(index) + 4


class Code:
    """A program under construction: each method puts instructions before all that are there, and returns the first."""

    def __init__(self) -> None:
        self._backwards: list[tuple[int, int, int, int]] = []
        self._returns: dict[int, Label] = {}  # the nearest return of each value

    def __len__(self) -> int:
        return len(self._backwards)

    def ends(self, value: int) -> Label:
        """A return of `value`: an earlier one where it is near, else a new one."""
        label = self._returns.get(value)
        if label is None or self._distance(label) > _REACH:
            label = self._returns[value] = self._put(RETURN, value)
        return label

    def load(self, offset: int, then: Label) -> Label:
        self._fall_into(then)
        return self._put(LOAD, offset)

    def mask(self, bits: int, then: Label) -> Label:
        self._fall_into(then)
        return self._put(AND, bits)

    def branch(self, test: int, value: int, yes: Label, no: Label) -> Label:
        """Compares what was loaded with `value`."""
        if yes == no:
            return yes
        no = self._near(no)
        yes = self._near(yes)
        return self._put(test, value, self._distance(yes), self._distance(no))

    def bytes(self) -> bytes:
        """An array of struct sock_filter, first instruction first, in this machine's byte order."""
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in reversed(self._backwards))

    def _put(self, code: int, k: int, yes: int = 0, no: int = 0) -> Label:
        self._backwards.append((code, yes, no, k))
        return len(self._backwards) - 1

    def _distance(self, label: Label) -> int:
        """How many instructions the next one would skip to reach this."""
        return len(self._backwards) - 1 - label

    def _fall_into(self, label: Label) -> None:
        if self._distance(label):
            self._put(JUMP, self._distance(label))

    def _near(self, label: Label) -> Label:
        if self._distance(label) <= _REACH:
            return label
        code, _, _, k = self._backwards[label]
        return self.ends(k) if code == RETURN else self._put(JUMP, self._distance(label))
