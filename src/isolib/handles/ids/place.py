"""The file in which leases are locks: one for each user of the machine, in a folder that only he can write."""

import os
import stat

from isolib.errors import Unavailable


def locks_path() -> str:
    """``ids.lock``, which need not exist yet: in $ISOLIB_ROOT/run, or /run/isolib, or the session's runtime folder.

    Leases in two ISOLIB_ROOTs do not know of each other. Never remove the file: its locks would go on unseen.
    """
    root, uid = os.environ.get("ISOLIB_ROOT"), os.geteuid()
    folder = f"{root}/run" if root else "/run/isolib" if uid == 0 else _runtime(uid)
    return f"{folder}/ids.lock"


def _runtime(uid: int) -> str:
    """Where logind keeps it also without the variable, so that a cron job meets the session's leases; else in /tmp."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{uid}"):
        if folder and os.path.isabs(folder) and os.access(folder, os.W_OK | os.X_OK):
            return f"{folder}/isolib"
    folder = f"/tmp/isolib-{uid}"
    if not os.path.lexists(folder):
        os.makedirs(folder, 0o700, exist_ok=True)
    found = os.lstat(folder)
    # Anybody may have made it first, as a link or with open doors.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise Unavailable(
            "a folder for locks", f"{folder} is not the caller's alone: set XDG_RUNTIME_DIR or ISOLIB_ROOT"
        )
    return folder
