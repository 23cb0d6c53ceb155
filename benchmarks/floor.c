/* The floor: the least that a start costs in C. The same system calls as isolib's start of the same spec, made at once,
 * with no Plan, no second program and no Python. benchmarks/floor.py writes what differs from spec to spec
 * (floor_plan.h: the child's steps in plain C, the caller's trees, the cgroups); benchmarks/same_calls.py compares the
 * calls of both.
 *
 *   floor             one start
 *   floor mark        two starts, the second between two marks for strace
 *   floor serve       for each line "N" on stdin: N starts, and a line with the nanoseconds of each
 *
 * Where the plan is one of entering, a second argument says which process is entered. */
#define _GNU_SOURCE
#include "floor_steps.h"

#include <poll.h>
#include <sys/resource.h>
#include <time.h>

enum { MESSAGE = 88 }; /* bytes of an event, as isolib's */

static int channel, out_pipe, err_pipe, null_fd, caller, handed[8];
static void payload_or_init(void);

#include "floor_plan.h"

static void tell(int fd)
{
	char message[MESSAGE] = {0};

	MUST(send_fds(fd, message, sizeof(message), 0, 0, 0));
}

static void hear(int fd, void *answer, size_t size, int *fds, int *nfds)
{
	struct pollfd_ polls[2] = {{fd, POLLIN, 0}, {caller, POLLIN, 0}};

	MUST(sys(ppoll, polls, 2, 0, 0, 8));
	MUST(recv_fds(fd, answer, size, fds, 8, nfds, 0));
}

/* Sync: the caller writes the id maps, moves this process into the groups, and hands over the root's trees. */
static void meet_the_caller(void)
{
	char answer[4];
	int nfds;

	tell(channel);
	hear(channel, answer, sizeof(answer), handed, &nfds);
}

/* PID 1: starts the payload, tells when it was executed, reaps, and tells how it ended. Returns in the payload. */
static void payload_or_init(void)
{
	u64 sigchld = 1 << (17 - 1);
	struct rusage usage;
	char siginfo[128];
	int ends[2], signals, status;
	long pid;

	MUST(sys(pipe2, ends, O_CLOEXEC));
	pid = MUST(sys(clone, 17 /* SIGCHLD */, 0, 0, 0, 0));
	if (pid == 0) {
		sys(close, ends[0]);
		return;
	}
	sys(close, ends[1]);
	sys(close, null_fd);
	sys(close, out_pipe);
	sys(close, err_pipe);
	sys(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	signals = MUST(sys(signalfd4, -1, &sigchld, 8, O_CLOEXEC));
	for (int started = 0;;) {
		struct pollfd_ polls[4] = {{caller, POLLIN, 0},
					   {signals, POLLIN, 0},
					   {channel, POLLIN, 0},
					   {started ? -1 : ends[0], POLLIN, 0}};

		MUST(sys(ppoll, polls, 4, 0, 0, 8));
		if (polls[0].revents)
			sys(exit_group, 125);
		if (polls[3].revents) {
			tell(channel);
			sys(close, ends[0]);
			started = 1;
		}
		if (polls[1].revents) {
			MUST(sys(read, signals, siginfo, sizeof(siginfo)));
			while (sys(wait4, -1, &status, 1 /* WNOHANG */, 0) > 0)
				;
			break;
		}
	}
	if (sys(getpid) == 1)
		sys(kill, -1, 9);
	if (sys(getpid) == 1)
		while (sys(wait4, -1, 0, 0, 0) != -ECHILD)
			;
	sys(getrusage, -1 /* RUSAGE_CHILDREN */, &usage);
	tell(channel);
	sys(exit_group, 0);
}

static void write_file(int dir, const char *path, const char *text, int flags)
{
	int fd = MUST(sys(openat, dir, path, O_WRONLY | O_CLOEXEC | flags));

	MUST(sys(write, fd, text, strlen(text)));
	sys(close, fd);
}

static void read_file(int dir, const char *path)
{
	static char text[65536];
	long fd = sys(openat, dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	while (sys(read, fd, text, sizeof(text)) > 0)
		;
	sys(close, fd);
}

/* The group: one directory a hierarchy, as the plan's header lists them. */
static char group[64], file[192];

static const char *in_group(const char *name)
{
	snprintf(file, sizeof(file), "%s/%s", group, name);
	return file;
}

/* Once, as isolib does. Their folder for groups is there: the benchmark holds one. */
static void open_hierarchies(void)
{
	for (int i = 0; i < HIERARCHIES; i++)
		hierarchies[i].fd = MUST(sys(openat, AT_FDCWD, hierarchies[i].point, O_RDONLY | O_CLOEXEC | 0200000));
}

/* Once, too: who may enter a container holds its namespaces. */
static void open_namespaces(const char *pid)
{
	char path[64];

	for (int i = 0; i < JOINED; i++) {
		snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, joined[i].kind);
		r[joined[i].at] = MUST(sys(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
	}
}

static void make_group(void)
{
	static int number;

	snprintf(group, sizeof(group), "%s/floor-%d-%ld", GROUP_FOLDER, ++number, sys(getpid));
	for (int i = 0; i < HIERARCHIES; i++)
		MUST(sys(mkdirat, hierarchies[i].fd, group, 0755));
	for (int i = 0; i < LIMITS; i++)
		write_file(hierarchies[limits[i].at].fd, in_group(limits[i].file), limits[i].text, O_NOFOLLOW);
}

static void read_group(void)
{
	for (int i = 0; i < READS; i++)
		read_file(hierarchies[reads[i].at].fd, in_group(reads[i].file));
}

static void remove_group(void)
{
	for (int i = 0; i < HIERARCHIES; i++)
		MUST(sys(unlinkat, hierarchies[i].fd, group, 0x200 /* AT_REMOVEDIR */));
}

/* The caller's half of the Sync. */
static void meet_the_child(int fd, long pid)
{
	char path[64], text[16], answer[4] = {0};
	int trees[TREES + 1];

	snprintf(text, sizeof(text), "%ld", pid);
	for (int i = 0; i < HIERARCHIES; i++)
		write_file(hierarchies[i].fd, in_group("cgroup.procs"), text, O_NOFOLLOW);
	for (int i = 0; i < 2 && NAMESPACES & CLONE_NEWUSER; i++) {
		snprintf(path, sizeof(path), "/proc/%ld/%s", pid, i ? "gid_map" : "uid_map");
		write_file(AT_FDCWD, path, ID_MAP, 0);
	}
	open_trees(pid, trees);
	MUST(send_fds(fd, answer, sizeof(answer), trees, TREES, 0));
	for (int i = 0; i < TREES; i++)
		sys(close, trees[i]);
}

static void next_event(int fd, int pidfd, int flags)
{
	struct pollfd_ polls[2] = {{fd, POLLIN, 0}, {pidfd, POLLIN, 0}};
	char message[MESSAGE];
	int fds[8], nfds;

	MUST(sys(ppoll, polls, 2, 0, 0, 8));
	MUST(recv_fds(fd, message, sizeof(message), fds, 8, &nfds, flags));
}

/* Reads the payload's output until the end of both pipes, and then waits for the word of its end. */
static void carry(int out, int err, int fd)
{
	static char chunk[262144];
	struct pollfd_ polls[3] = {{fd, POLLIN, 0}, {out, POLLIN, 0}, {err, POLLIN, 0}};

	for (int open = 3; open > 0;) {
		MUST(sys(poll, polls, 3, -1));
		for (int i = 1; i < 3; i++)
			if (polls[i].revents && sys(read, polls[i].fd, chunk, sizeof(chunk)) <= 0) {
				sys(close, polls[i].fd);
				polls[i].fd = -1;
				open--;
			}
		if (polls[0].revents)
			open--, polls[0].fd = -1;
	}
}

static void start(void)
{
	int out[2], err[2], ends[2], pidfd = -1, yes = 1;
	struct clone_args args = {.flags = NAMESPACES | CLONE_PIDFD, .pidfd = (u64)(size_t)&pidfd};
	u64 every = ~0ULL, before;
	long pid;

	null_fd = MUST(sys(openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC));
	MUST(sys(pipe2, out, O_CLOEXEC));
	MUST(sys(fchmod, out[0], 0666));
	MUST(sys(ioctl, out[0], 0x5421 /* FIONBIO */, &yes));
	MUST(sys(pipe2, err, O_CLOEXEC));
	MUST(sys(fchmod, err[0], 0666));
	MUST(sys(ioctl, err[0], 0x5421, &yes));
	make_group();
	MUST(sys(socketpair, 1 /* AF_UNIX */, 5 /* SOCK_SEQPACKET */ | O_CLOEXEC, 0, ends));
	channel = ends[1];
	out_pipe = out[1];
	err_pipe = err[1];
	sys(rt_sigprocmask, 2 /* SIG_SETMASK */, &every, &before, 8);
	pid = MUST(sys(clone3, &args, sizeof(args)));
	if (pid == 0) {
		child();
		sys(exit_group, 1);
	}
	sys(rt_sigprocmask, 2, &before, 0, 8);
	sys(close, ends[1]);
	next_event(ends[0], pidfd, MSG_DONTWAIT_);
	meet_the_child(ends[0], pid);
	next_event(ends[0], pidfd, MSG_DONTWAIT_);
	sys(close, err[1]);
	sys(close, out[1]);
	sys(close, null_fd);
	carry(out[0], err[0], ends[0]);
	next_event(ends[0], pidfd, MSG_DONTWAIT_);
	read_group();
	MUST(sys(waitid, P_PIDFD_, pidfd, 0, 4 /* WEXITED */ | WALL_));
	remove_group();
	sys(close, ends[0]);
	sys(close, pidfd);
}

static long nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(int argc, char **argv)
{
	char line[32];

	caller = MUST(sys(pidfd_open, sys(getpid), 0));
	open_hierarchies();
	if (argc > 2)
		open_namespaces(argv[2]);
	if (argc < 2)
		start();
	if (argc > 1 && !strcmp(argv[1], "mark")) {
		start();
		sys(access, "/isolib-mark", 0);
		start();
		sys(access, "/isolib-mark", 0);
	}
	while (argc > 1 && !strcmp(argv[1], "serve") && fgets(line, sizeof(line), stdin)) {
		for (int left = atoi(line); left > 0; left--) {
			long before = nanoseconds();

			start();
			printf("%ld ", nanoseconds() - before);
		}
		puts("");
		fflush(stdout);
	}
	return 0;
}
