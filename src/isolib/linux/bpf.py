"""The programs attached to a cgroup (bpf(2)): load, attach, detach, list."""

from isolib.linux.door import check, ffi, lib

CGROUP_DEVICE = 15  # BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15
ATTACH_DEVICE = 6  # BPF_CGROUP_DEVICE
INSTRUCTION = 8  # bytes

_MOST = 64  # programs that one cgroup may have (BPF_CGROUP_MAX_PROGS)


def load(program: bytes, kind: int = CGROUP_DEVICE) -> int:
    """A descriptor of the program, checked by the kernel; the caller owns it. EPERM: only root's, in no namespace."""
    return check(lib.iso_bpf_load(kind, program, len(program) // INSTRUCTION), "bpf", "BPF_PROG_LOAD")


def attach(group: int, program: int, kind: int = ATTACH_DEVICE) -> None:
    """Let the program decide in the group of this directory descriptor and below, beside those that are there."""
    check(lib.iso_bpf_attach(group, program, kind), "bpf", "BPF_PROG_ATTACH")


def detach(group: int, program: int, kind: int = ATTACH_DEVICE) -> None:
    check(lib.iso_bpf_detach(group, program, kind), "bpf", "BPF_PROG_DETACH")


def attached(group: int, kind: int = ATTACH_DEVICE) -> list[int]:
    """The ids of the programs attached to the group itself."""
    ids = ffi.new("uint32_t[]", _MOST)
    count = check(lib.iso_bpf_attached(group, kind, ids, _MOST), "bpf", "BPF_PROG_QUERY")
    return [int(ids[i]) for i in range(count)]


def by_id(number: int) -> int:
    """A descriptor of a loaded program; the caller owns it."""
    return check(lib.iso_bpf_by_id(number), "bpf", "BPF_PROG_GET_FD_BY_ID")
