"""A rule of "notify": the call waits until the holder of the listener's descriptor has answered it
(seccomp_unotify(2)).
"""

import errno
import fcntl
import select
import struct

import msgspec

import isolib
from isolib import Security
from isolib.spec.seccomp import Rule
from isolib.spec.seccomp_default import DEFAULT

RECV, SEND = 0xC0502100, 0xC0182101
NOTICE = struct.Struct("<QIIiIQ6Q")  # id, pid, flags, then seccomp_data: number, architecture, instruction, arguments


def notified(*names: str) -> Security:
    rule = Rule(names, "notify")

    return Security(seccomp=msgspec.structs.replace(DEFAULT, rules=(rule, *DEFAULT.rules)))


def test_the_caller_answers_in_the_kernels_place() -> None:
    command = ["/bin/sh", "-c", "mkdir /tmp/made; echo $?; ls /tmp"]
    with isolib.spawn(command, security=notified("mkdir", "mkdirat"), cwd="/") as process:
        listener = process.received["seccomp"]
        assert select.select([listener], [], [], 20)[0]
        notice = bytearray(NOTICE.size)
        fcntl.ioctl(listener, RECV, notice)
        number, pid, *_ = NOTICE.unpack(notice)
        assert pid > 0
        fcntl.ioctl(listener, SEND, bytearray(struct.pack("<QqiI", number, 0, -errno.EDQUOT, 0)))
        ended = process.wait(20)
        assert process.stdout is not None
        with open(process.stdout, closefd=False) as out:
            assert out.read() == "1\n"
        with open(process.stderr or -1, closefd=False) as err:
            assert "quota" in err.read()
        assert ended.code == 0


def test_without_such_a_rule_there_is_no_listener() -> None:
    with isolib.spawn(["/bin/true"], cwd="/") as process:
        assert "seccomp" not in process.received
