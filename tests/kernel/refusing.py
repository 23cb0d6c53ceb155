"""A caller on an older kernel, or below an old seccomp profile: chosen system calls answer ENOSYS, or EPERM.

Run as a program: errno, calls separated by commas, then a Python expression whose value is printed.
"""

import ctypes
import errno
import os
import platform
import subprocess
import sys
from pathlib import Path

from isolib.launch.seccomp import assemble
from isolib.spec.capabilities import CAPABILITIES
from isolib.spec.seccomp import Rule, SeccompProfile

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


class Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("code", ctypes.c_void_p))


def refuse(calls: list[str], number: int) -> None:
    """From here on this process and all that it starts gets ``number`` for these calls."""
    profile = SeccompProfile(default_action="allow", rules=(Rule(tuple(calls), "errno", number),))
    built = assemble(profile, arch=platform.machine(), capabilities=frozenset(CAPABILITIES), kernel=(6, 0))
    buffer = ctypes.create_string_buffer(built.code, len(built.code))
    program = Program(built.count, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)
    ):
        raise OSError(ctypes.get_errno(), "prctl")


def evaluated(calls: str, number: str, expression: str) -> subprocess.CompletedProcess[str]:
    """The value of a Python expression over isolib in a caller so restricted."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    command = [sys.executable, "-W", "error", "-m", "tests.kernel.refusing", number, calls, expression]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)


def main() -> None:
    number, calls, expression = sys.argv[1:4]
    import isolib

    refuse(calls.split(","), getattr(errno, number))
    try:
        print(eval(expression, {"isolib": isolib}))
    except isolib.IsolibError as error:
        print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
