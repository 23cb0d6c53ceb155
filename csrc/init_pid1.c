/* PID 1, or the sub-reaper outside: starts the payload, reaps what ends, obeys the caller, and ends with him. */
#include "init.h"

#include <linux/resource.h>
#include <linux/signal.h>

#define SFD_CLOEXEC_ 02000000
#define SIGCHLD_MASK_ (1ULL << (17 - 1))
#define WNOHANG_ 1
#define SIGCHLD_ 17
#define SIGKILL_ 9
#define RUSAGE_CHILDREN_ (-1)
#define O_CLOEXEC_ 02000000

struct watch {
	int payload, exec_pipe, signals, children;
	int ended, status;
};

static u64 microseconds(const struct __kernel_old_timeval *t)
{
	return (u64)t->tv_sec * 1000000 + (u64)t->tv_usec;
}

static void report_exit(struct machine *m, int status)
{
	struct iso_event event = {.kind = EVENT_EXITED, .value = status >> 8 & 0xff, .detail = status & 0x7f};
	struct rusage usage;

	if (sys(getrusage, RUSAGE_CHILDREN_, &usage) == 0) {
		event.utime = microseconds(&usage.ru_utime);
		event.stime = microseconds(&usage.ru_stime);
		event.maxrss = (u64)usage.ru_maxrss;
		event.minflt = (u64)usage.ru_minflt;
		event.majflt = (u64)usage.ru_majflt;
		event.inblock = (u64)usage.ru_inblock;
		event.oublock = (u64)usage.ru_oublock;
		event.nvcsw = (u64)usage.ru_nvcsw;
		event.nivcsw = (u64)usage.ru_nivcsw;
	}
	report_event(m, &event, 0, 0);
}

static void note_end(struct watch *w, long pid, int status)
{
	if (pid != w->payload)
		return;
	w->ended = 1;
	w->status = status;
}

/* Every descendant becomes a child of the sub-reaper when its parent dies; proc(5) lists them. Each round kills all
 * there are and waits for one, until there are none. */
static void kill_children(struct watch *w)
{
	char list[4096];
	int status;
	long n;

	while ((n = sys(pread64, w->children, list, sizeof(list), 0)) > 0) {
		long pid = 0;

		for (long i = 0; i < n; i++) {
			if (list[i] >= '0' && list[i] <= '9') {
				pid = pid * 10 + list[i] - '0';
				continue;
			}
			if (pid > 1)
				sys(kill, pid, SIGKILL_);
			pid = 0;
		}
		pid = sys(wait4, -1, &status, 0, 0);
		if (pid == -ECHILD)
			return;
		note_end(w, pid, status);
	}
}

/* Everything that still runs: by the PID namespace where init or the payload is its PID 1, else one by one. */
static void kill_tree(struct watch *w)
{
	if (sys(getpid) == 1)
		sys(kill, -1, SIGKILL_);
	else if (w->children >= 0)
		kill_children(w);
	else if (w->payload && !w->ended)
		sys(kill, w->payload, SIGKILL_);
}

static void reap(struct watch *w)
{
	int status;
	long pid;

	while ((pid = sys(wait4, -1, &status, WNOHANG_, 0)) > 0)
		note_end(w, pid, status);
}

/* The payload has ended: its namespace is emptied, so that the usage reported is the whole tree's, and init leaves. */
static void finish(struct machine *m, struct watch *w)
{
	kill_tree(w);
	if (sys(getpid) == 1)
		while (sys(wait4, -1, 0, 0, 0) != -ECHILD)
			;
	report_exit(m, w->status);
	sys(exit_group, 0);
}

static void leave(struct watch *w)
{
	kill_tree(w);
	sys(exit_group, 125);
}

static void send_pidfd(struct machine *m, struct watch *w)
{
	struct iso_event event = {.kind = EVENT_FD};
	long fd = sys(pidfd_open, w->payload, 0);
	int sent = (int)fd;

	if (fd < 0)
		event.value = (int)-fd;
	report_event(m, &event, &sent, fd >= 0);
	if (fd >= 0)
		sys(close, fd);
}

static void obey(struct machine *m, struct watch *w)
{
	struct command command;
	int none, nfds;
	long got = recv_fds(m->registers[REG_CHANNEL], &command, sizeof(command), &none, 0, &nfds, MSG_DONTWAIT_);

	if (got == 0 || got == -ECONNRESET)
		leave(w); /* the owner let go of it */
	if (got != sizeof(command))
		return;
	if (!w->payload)
		return;
	if (command.kind == COMMAND_SIGNAL && !w->ended)
		sys(kill, w->payload, command.value);
	else if (command.kind == COMMAND_PIDFD)
		send_pidfd(m, w);
	else if (command.kind == COMMAND_KILL)
		kill_tree(w);
}

static void watch(struct machine *m, struct watch *w)
{
	for (;;) {
		struct pollfd_ polls[4] = {
			{m->registers[REG_CALLER], POLLIN_, 0},
			{w->signals, POLLIN_, 0},
			/* until its exec, the payload may wait for an answer on the channel: not ours to take */
			{w->exec_pipe < 0 ? m->registers[REG_CHANNEL] : -1, POLLIN_, 0},
			{w->exec_pipe, POLLIN_, 0},
		};
		char siginfo[128];

		if (sys(ppoll, polls, 4, 0, 0, 8) < 0)
			continue;
		if (polls[0].revents)
			leave(w);
		if (polls[3].revents) {
			report(m, EVENT_STARTED, 0, 0);
			sys(close, w->exec_pipe);
			w->exec_pipe = -1;
		}
		if (polls[1].revents) {
			sys(read, w->signals, siginfo, sizeof(siginfo));
			reap(w);
		}
		if (w->ended && w->exec_pipe < 0)
			finish(m, w);
		if (polls[2].revents)
			obey(m, w);
	}
}

static void close_passed(struct machine *m, int kept)
{
	for (int i = REG_CALLER + 1; i < WIRE_REGISTERS; i++)
		if (m->registers[i] >= 0 && i != kept)
			sys(close, m->registers[i]);
}

/* Fork n[0]=register of /proc/thread-self/children where no PID namespace ends with init, or REG_NONE. The steps after
 * it are the payload's; init's walk ends here. A pipe that closes with the payload's exec tells that it started. */
long do_fork(struct machine *m, const struct wire_step *s)
{
	struct watch w = {.children = s->n[0] == REG_NONE ? -1 : reg(m, s->n[0])};
	u64 mask = SIGCHLD_MASK_;
	int ends[2];
	long pid = sys(pipe2, ends, O_CLOEXEC_);

	if (pid < 0)
		return pid;
	pid = sys(clone, SIGCHLD_, 0, 0, 0, 0);
	if (pid == 0) {
		sys(close, ends[0]);
		return set_reg(m, REG_EXEC_PIPE, ends[1]); /* in a register, do_fds keeps it */
	}
	sys(close, ends[1]);
	if (pid < 0) {
		sys(close, ends[0]);
		return pid;
	}
	close_passed(m, (int)s->n[0]);
	sys(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	w.payload = (int)pid;
	w.exec_pipe = ends[0];
	w.signals = (int)sys(signalfd4, -1, &mask, 8, SFD_CLOEXEC_);
	watch(m, &w);
	return 0;
}

/* Stay: no payload. init keeps a PID namespace in being, and reaps in it, until the caller lets go. */
long do_stay(struct machine *m, const struct wire_step *s)
{
	struct watch w = {.children = -1, .exec_pipe = -1};
	u64 mask = SIGCHLD_MASK_;

	(void)s;
	close_passed(m, REG_NONE);
	w.signals = (int)sys(signalfd4, -1, &mask, 8, SFD_CLOEXEC_);
	report(m, EVENT_STARTED, 0, 0);
	watch(m, &w);
	return 0;
}
