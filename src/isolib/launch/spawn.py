"""spawn(): a Plan becomes a Process. The caller's half of a start, and of each Sync in it.

===========  ===================================================  ================================================
Sync         init's half                                          the caller's half
===========  ===================================================  ================================================
identity     waits, unmapped and alone in its namespaces          moves it into its group, writes the id maps, opens
                                                                  the scratch on disk and the root's trees
layers       waits for up to 48 trees, then stacks them           opens them, id-mapped
mounts       waits for up to 48 trees, then attaches them         opens them, id-mapped where asked
any other    waits (a test's failpoint, OCI's create)             what ``answers`` says under that name
===========  ===================================================  ================================================
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence

from isolib.errors import KernelError, StepError, Unavailable
from isolib.handles.process import WALL, Process
from isolib.launch.hints import hint
from isolib.launch.plan import Plan, flag_words
from isolib.launch.steps import Step, Tree
from isolib.linux import mount, spawn as linux

# Given init's pid and the Sync's step: what to hand over. spawn() closes the descriptors once they are sent.
Answer = Callable[[int, Step], list[int]]


def spawn(plan: Plan, fds: Sequence[int], answers: Mapping[str, Answer] | None = None) -> Process:
    """Starts a Plan and returns once the payload was executed (or, where there is none, at the end of the steps).

    ``fds`` fill registers from STDIN on. Raises StepError for a step that failed: then nothing of the start is left.
    """
    try:
        pid, pidfd, channel = linux.spawn(plan.flags, plan.encoded, list(fds))
    except KernelError as error:
        subject = f"{flag_words(plan.flags)}" if error.call == "clone3" else error.subject
        raise KernelError(error.errno or 0, error.call, subject, hint(error.call, error.errno or 0)) from None
    process = Process(pid, pidfd, channel)
    try:
        _walk(process, plan, answers or {})
    except BaseException:
        process.close()
        raise
    return process


def _walk(process: Process, plan: Plan, answers: Mapping[str, Answer]) -> None:
    while event := linux.next_event(process.fileno(), process.pidfd):
        if event.kind == linux.STARTED:
            return
        if event.kind == linux.SYNC:
            _answer(process, plan.steps[event.step], answers)
        elif event.kind == linux.FD:
            _take(process, plan.steps[event.step], event.fds[0])
        elif event.kind == linux.FAILED:
            raise failure(plan, event.step, event.value)
        elif event.kind == linux.EXITED:
            break
    raise KernelError(4, "clone3", "init", "it was killed during the start; out of memory is the usual reason")


def _take(process: Process, step: Step, fd: int) -> None:
    """A descriptor that init sent: the caller's, or init's own pidfd where it went on as another process."""
    if step.word == "clone":
        process.follow(fd)
    else:
        process.received[step.subject if step.word == "send" else step.word] = fd


def failure(plan: Plan, index: int, number: int) -> StepError:
    """The error of a step, in words."""
    if index < 0:
        step = Step("sync", subject="the plan")
        return StepError(number, step=step, index=index, call="mmap", subject="the plan")
    step = plan.steps[index]
    return StepError(number, step=step, index=index, call=step.call, subject=step.subject, hint=hint(step.call, number))


def _answer(process: Process, step: Step, answers: Mapping[str, Answer]) -> None:
    fds: list[int] = []
    try:
        if step.subject in answers:
            fds += answers[step.subject](process.pid, step)
        if step.trees:
            fds += open_trees(step.trees, process.pid)
        linux.answer(process.fileno(), 0, fds)
    except KernelError as error:
        if error.call == "sendmsg" and error.errno == 32:  # EPIPE: init is gone, and the next event says why
            return
        raise
    finally:
        for fd in fds:
            os.close(fd)


def open_trees(trees: Sequence[Tree], pid: int) -> list[int]:
    """The caller's half of a Sync with trees. The returned descriptors are the caller's."""
    userns = -1
    found: list[int] = []
    try:
        if any(tree.owner != "host" for tree in trees):
            userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        for tree in trees:
            found.append(_open_tree(tree, userns))
    except BaseException:
        for fd in found:
            os.close(fd)
        raise
    finally:
        if userns >= 0:
            os.close(userns)
    return found


def _open_tree(tree: Tree, userns: int) -> int:
    try:
        fd = mount.open_tree(tree.path, recursive=tree.recursive)
    except KernelError as error:
        raise KernelError(error.errno or 0, "open_tree", tree.path, hint("open_tree", error.errno or 0)) from None
    try:
        if tree.owner != "host":
            mount.id_map(fd, userns, recursive=tree.recursive)
    except KernelError as error:
        if tree.owner is not None:
            os.close(fd)
            remedy = f"{error.strerror}: its filesystem has none (Linux 5.12, for ext4, xfs, btrfs, later for others): "
            raise Unavailable(f"an id-mapped mount of {tree.path}", remedy + tree.remedy) from None
    return fd


def abandon(process: Process) -> None:
    """Kills and reaps a start that nobody waits for."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | WALL)
