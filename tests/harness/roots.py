"""Root directories for tests: one of busybox alone, made in a moment, and a real Debian, made once a machine."""

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/home/app:/bin/sh\n"
)
GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n"


class NotHere(Exception):
    """This machine has no such root and can't make one; the text says why."""


def printed_by(script: str) -> Path:
    """The path that a script of the harness prints."""
    done = subprocess.run([HERE / script], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(done.stderr.strip().rpartition("\n")[2] or f"{script} gives none")
    return Path(done.stdout.strip())


def make_busybox_root(root: Path) -> Path:
    """A root with every applet of busybox, the folders a container mounts on, and users to become."""
    busybox = printed_by("busybox")
    for folder in ("bin", "dev", "etc", "home/app", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp"):
        (root / folder).mkdir(parents=True)
    root.chmod(0o755)
    (root / "tmp").chmod(0o1777)
    (root / "bin/busybox").write_bytes(busybox.read_bytes())
    (root / "bin/busybox").chmod(0o755)
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in {*applets, "sh"} - {"busybox"}:
        (root / "bin" / name).symlink_to("busybox")
    (root / "sbin").symlink_to("bin")
    (root / "usr/bin").symlink_to("../bin")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    return root
