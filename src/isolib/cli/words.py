"""The options of `run`, `plan` and `exec`: Docker's words where Docker has the thing, in the order of the help."""

from isolib.cli.options import Option, Section

HELP = Option("--help", "", "print this")

_ENV = Option("-e, --env", "NAME[=VALUE]", "set a variable; a NAME alone takes the caller's value", many=True)
_ENV_FILE = Option(
    "--env-file", "FILE", "set the variables in a file, one NAME[=VALUE] a line, # for comments", many=True
)
_WORKDIR = Option("-w, --workdir", "DIR", "the working directory inside", "cwd")
_USER = Option("-u, --user", "USER[:GROUP]", "run as this user, by name or number (of the root's own passwd)", "user")
_INTERACTIVE = Option("-i, --interactive", "", "pass standard input on; without it, it is empty")
_TTY = Option("-t, --tty", "", "give the command a terminal")
_TIMEOUT = Option("--timeout", "SECONDS", "kill everything after so long")

_PROCESS = (
    _ENV,
    _ENV_FILE,
    _WORKDIR,
    _USER,
    Option("--group-add", "GROUP", "one more group of the user, by name or number", "process.groups", many=True),
    Option("--umask", "MODE", "the mask of new files' modes, in octal (0022)", "process.umask"),
    Option(
        "--ulimit", "NAME=SOFT[:HARD]", "a limit of one process: nofile=1024:4096, core=0", "process.rlimits", many=True
    ),
    Option("--oom-score-adj", "N", "-1000 to 1000: who is killed first when memory is short", "process.oom_score_adj"),
    _INTERACTIVE,
    _TTY,
    _TIMEOUT,
)
_FILES = (
    Option("--rootfs", "DIR[:keep]", "a directory as the root; keep: writes stay in it"),
    Option("--read-only", "", "nothing of a directory as the root can be written"),
    Option(
        "-v, --volume",
        "SRC:DST[:OPTIONS]",
        "show a file or directory of the host; options ro, optional, noexec, …",
        many=True,
    ),
    Option(
        "--mount", "type=…,…", "the same in words, or type=tmpfs: type=bind,source=.,target=/src,readonly", many=True
    ),
    Option("--tmpfs", "DST[:OPTIONS]", "an empty directory in memory; options size=64m, mode=1777, exec, …", many=True),
    Option("--shm-size", "SIZE", "of /dev/shm (64M)", "shm_size"),
    Option("--storage-opt", "size=SIZE", "how much may be written to the root before it is full", "scratch"),
    Option("--device", "SRC[:DST[:rwm]]", "a device of the host; r, w and m: may read, write, make it", many=True),
)
_LIMITS = (
    Option("-m, --memory", "SIZE", "memory: 512M, 1.5G; above it, one of the processes is killed", "limits.memory"),
    Option("--memory-swap", "SIZE", "memory and swap together; -1 for any amount of swap", "limits.swap"),
    Option(
        "--memory-reservation", "SIZE", "memory that is left alone while the machine runs short", "limits.memory_low"
    ),
    Option("--cpus", "N", "CPU time, in CPUs: 1.5", "limits.cpus"),
    Option("--cpu-weight", "N", "the share where CPUs are short: 1 to 10000, others have 100", "limits.cpu_weight"),
    Option("-c, --cpu-shares", "N", "the same in Docker's measure: 2 to 262144, others have 1024", "limits.cpu_weight"),
    Option("--cpuset-cpus", "LIST", "the CPUs to run on: 0-3,7", "limits.cpuset"),
    Option("--cpuset-mems", "LIST", "the memory nodes to use", "limits.mems"),
    Option("--pids-limit", "N", "how many processes and threads; -1 for any number", "limits.pids"),
    Option("--blkio-weight", "N", "the share of every disk: 10 to 1000, others have 100", "limits.io_weight"),
    Option("--device-read-bps", "DEVICE:RATE", "bytes a second read from a disk: /dev/sda:10M", "limits.io", many=True),
    Option("--device-write-bps", "DEVICE:RATE", "bytes a second written to it", "limits.io", many=True),
    Option("--device-read-iops", "DEVICE:N", "read operations a second", "limits.io", many=True),
    Option("--device-write-iops", "DEVICE:N", "write operations a second", "limits.io", many=True),
    Option("--cgroup-conf", "FILE=VALUE", "any file of a controller: memory.high=1G", "limits.unified", many=True),
)
_ISOLATION = (
    Option("--network", "none|host", "no network (none), or the host's own"),
    Option("-h, --hostname", "NAME", "the host name inside (isolib)", "hostname"),
    Option("--domainname", "NAME", "the NIS domain name inside", "process.domainname"),
    Option("--userns", "IDS", "ids inside: auto, self, keep-id, nomap, rows as 0:100000:65536, or host", "ids"),
    Option("--pid", "host", "see the host's processes", "namespaces['pid']"),
    Option("--ipc", "host", "the host's shared memory and queues", "namespaces['ipc']"),
    Option("--uts", "host", "the host's own name", "namespaces['uts']"),
    Option("--cgroupns", "host", "see the host's control groups", "namespaces['cgroup']"),
    Option("--sysctl", "NAME=VALUE", "a setting of its own namespaces: net.ipv4.ip_forward=1", "sysctls", many=True),
    Option("--cap-add", "NAME", "a capability more: NET_ADMIN, ALL", many=True),
    Option("--cap-drop", "NAME", "a capability less", many=True),
    Option(
        "--security-opt",
        "OPTION",
        "seccomp=FILE or unconfined; no-new-privileges=false; mask=PATH; unmask=PATH or ALL",
        many=True,
    ),
)
_AS_ALWAYS = (
    Option("--init", "", "always so: PID 1 is isolib's, reaps and passes signals on"),
    Option("--rm", "", "always so: nothing is left of a run"),
    HELP,
)

RUN = (
    Section("The process", _PROCESS),
    Section("Its files", _FILES),
    Section("Its limits", _LIMITS),
    Section("Its isolation", _ISOLATION),
    Section("Accepted", _AS_ALWAYS),
)
JSON = (
    Option("--json", "", "print JSON"),
    Option("--format", "json", "the same"),
)
EXEC = (Section("The process", (_ENV, _ENV_FILE, _WORKDIR, _USER, _INTERACTIVE, _TTY, _TIMEOUT)), Section("", (HELP,)))

# What people know from Docker or Podman and look for here: why it is not.
ELSEWHERE = {
    **dict.fromkeys(("-d", "--detach"), "a run lasts as long as its command line: use & of the shell"),
    **dict.fromkeys(("--name", "-l", "--label"), "a run has no name: it leaves nothing to be called by it"),
    **dict.fromkeys(("-p", "--publish", "-P", "--publish-all"), "there is no network to publish from: --network host"),
    "--net": "say --network",
    "--privileged": "say what is needed: --cap-add, --device, --security-opt, --userns host",
    "--entrypoint": "name the program as the first word of the command",
    "--memory-swappiness": "a thing of cgroup v1 alone",
    "--oom-kill-disable": "a thing of cgroup v1 alone: a group that is out of memory would hang",
    "--restart": "a run is not started again; let a shell loop do it",
}
