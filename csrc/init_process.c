/* Steps on the process itself: namespaces, identity, terminal, limits, and the exec that ends a Plan. */
#include "init.h"

#define TIOCSCTTY_ 0x540E
#define TIOCSPTLCK_ 0x40045431
#define TIOCSWINSZ_ 0x5414
#define TIOCGPTPEER_ 0x5441
#define SIOCSIFFLAGS_ 0x8914
#define IFF_UP_RUNNING_ 0x41
#define AF_INET_ 2
#define SOCK_DGRAM_ 2
#define SOCK_CLOEXEC_ 02000000
#define KEYCTL_JOIN_SESSION_KEYRING_ 1

enum { PATH = 4096, POINTERS = 32768 };

/* Prctl n = option and its four arguments */
long do_prctl(struct machine *m, const struct wire_step *s)
{
	long ret = sys(prctl, s->n[0], s->n[1], s->n[2], s->n[3], s->n[4]);

	(void)m;
	return ret < 0 ? ret : 0;
}

/* Setns n[0]=register, n[1]=kind (0 with a namespace's descriptor: any) */
long do_setns(struct machine *m, const struct wire_step *s)
{
	return sys(setns, reg(m, s->n[0]), s->n[1]);
}

long do_unshare(struct machine *m, const struct wire_step *s)
{
	(void)m;
	return sys(unshare, s->n[0]);
}

/* Clone n[0]=CLONE_NEW… flags: init goes on in new namespaces, as a child of the caller's (CLONE_PARENT) in those that
 * it joined, and the one that joined them ends. The child itself says that it is there: nobody sends before it. */
long do_clone(struct machine *m, const struct wire_step *s)
{
	struct iso_event event = {.kind = EVENT_FD};
	int ends[2], self;
	long ret = sys(pipe2, ends, O_CLOEXEC);

	if (ret < 0)
		return ret;
	ret = sys(clone, s->n[0] | CLONE_PARENT, 0, 0, 0, 0);
	if (ret > 0) {
		sys(close, ends[1]);
		sys(read, ends[0], &event, 1);
		sys(exit_group, 0);
	}
	self = ret < 0 ? -1 : (int)(ret = sys(pidfd_open, sys(getpid), 0));
	if (self >= 0)
		report_event(m, &event, &self, 1);
	sys(close, self);
	sys(close, ends[0]);
	sys(close, ends[1]);
	return ret < 0 ? ret : 0;
}

long do_hostname(struct machine *m, const struct wire_step *s)
{
	return sys(sethostname, text(m, s, 0), s->s[0].len);
}

long do_domainname(struct machine *m, const struct wire_step *s)
{
	return sys(setdomainname, text(m, s, 0), s->s[0].len);
}

/* Loopback: brings lo of a new network namespace up; the kernel gives it its addresses (netdevice(7)). */
long do_loopback(struct machine *m, const struct wire_step *s)
{
	struct {
		char name[16];
		short flags;
		char rest[22];
	} request = {.name = "lo", .flags = IFF_UP_RUNNING_};
	long sock = sys(socket, AF_INET_, SOCK_DGRAM_ | SOCK_CLOEXEC_, 0), ret;

	(void)m;
	(void)s;
	if (sock < 0)
		return sock;
	ret = sys(ioctl, sock, SIOCSIFFLAGS_, &request);
	sys(close, sock);
	return ret;
}

long do_setsid(struct machine *m, const struct wire_step *s)
{
	long ret = sys(setsid);

	(void)m;
	(void)s;
	return ret < 0 ? ret : 0;
}

/* Pty n[0]=root, n[1]=into (the master), n[2]=into (its terminal, by TIOCGPTPEER: no path is trusted; Linux 4.13);
 * n[3], n[4]=rows and columns, 0 where nobody knows; s[0]=ptmx */
long do_pty(struct machine *m, const struct wire_step *s)
{
	long master = open_inside(reg(m, s->n[0]), text(m, s, 0), O_RDWR | O_NOCTTY), ret;
	u16 window[4] = {(u16)s->n[3], (u16)s->n[4]};
	int unlocked = 0;

	if (master < 0)
		return master;
	ret = sys(ioctl, master, TIOCSPTLCK_, &unlocked);
	if (ret == 0)
		ret = sys(ioctl, master, TIOCSWINSZ_, window);
	if (ret == 0)
		ret = set_reg(m, s->n[2], sys(ioctl, master, TIOCGPTPEER_, O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (ret < 0) {
		sys(close, master);
		return ret;
	}
	return set_reg(m, s->n[1], master);
}

/* Controlling n[0]=register of a terminal */
long do_controlling(struct machine *m, const struct wire_step *s)
{
	return sys(ioctl, reg(m, s->n[0]), TIOCSCTTY_, 0);
}

/* Fds s[0]=pairs of 32-bit (register, number): the payload's descriptors. All registers first move above the numbers.
 */
long do_fds(struct machine *m, const struct wire_step *s)
{
	const s32 *pairs = (const s32 *)text(m, s, 0);
	int count = (int)(s->s[0].len / 8), above = 3;

	for (int i = 0; i < count; i++)
		if (pairs[2 * i + 1] >= above)
			above = pairs[2 * i + 1] + 1;
	for (int i = 0; i < WIRE_REGISTERS; i++) {
		int old = m->registers[i];
		long moved;

		if (old < 0 || old >= above)
			continue;
		moved = sys(fcntl, old, F_DUPFD_CLOEXEC, above);
		if (moved < 0)
			return moved;
		sys(close, old);
		for (int j = i; j < WIRE_REGISTERS; j++) /* stdout and stderr may be one descriptor */
			if (m->registers[j] == old)
				m->registers[j] = (int)moved;
	}
	for (int i = 0; i < count; i++) {
		long ret = sys(dup3, reg(m, pairs[2 * i]), pairs[2 * i + 1], 0);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Rlimit n[0]=resource, n[1]=soft, n[2]=hard */
long do_rlimit(struct machine *m, const struct wire_step *s)
{
	u64 limit[2] = {(u64)s->n[1], (u64)s->n[2]};

	(void)m;
	return sys(prlimit64, 0, s->n[0], limit, 0);
}

long do_umask(struct machine *m, const struct wire_step *s)
{
	(void)m;
	sys(umask, s->n[0]);
	return 0;
}

/* Groups n[0]=1: where they may be set at all; s[0]=32-bit ids. A user namespace that was joined may deny it for good.
 */
long do_groups(struct machine *m, const struct wire_step *s)
{
	long ret = sys(setgroups, s->s[0].len / 4, text(m, s, 0));

	return ret == -EPERM && s->n[0] ? 0 : ret;
}

long do_gid(struct machine *m, const struct wire_step *s)
{
	(void)m;
	return sys(setresgid, s->n[0], s->n[0], s->n[0]);
}

/* Uid n[0]. The parent-death signal and the dumpable flag are cleared by it (prctl(2)). */
long do_uid(struct machine *m, const struct wire_step *s)
{
	(void)m;
	return sys(setresuid, s->n[0], s->n[0], s->n[0]);
}

/* Scheduler s[0]=struct sched_attr (sched_setattr(2)) */
long do_scheduler(struct machine *m, const struct wire_step *s)
{
	return sys(sched_setattr, 0, text(m, s, 0), 0);
}

long do_nice(struct machine *m, const struct wire_step *s)
{
	(void)m;
	return sys(setpriority, 0, 0, s->n[0]);
}

/* Ioprio n[0]=class << 13 | level */
long do_ioprio(struct machine *m, const struct wire_step *s)
{
	(void)m;
	return sys(ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, s->n[0]);
}

/* Affinity s[0]=mask */
long do_affinity(struct machine *m, const struct wire_step *s)
{
	return sys(sched_setaffinity, 0, s->s[0].len, text(m, s, 0));
}

long do_personality(struct machine *m, const struct wire_step *s)
{
	long ret = sys(personality, s->n[0]);

	(void)m;
	return ret < 0 ? ret : 0;
}

/* Keyring: a session keyring of its own, so that the caller's keys are out of reach (keyctl(2)). */
long do_keyring(struct machine *m, const struct wire_step *s)
{
	long ret = sys(keyctl, KEYCTL_JOIN_SESSION_KEYRING_, 0);

	(void)m;
	(void)s;
	/* A filter around us that denies it (EPERM, as Docker's) denies the payload every key as well. */
	return ret == -ENOSYS || ret == -EPERM || ret > 0 ? 0 : ret;
}

static int split(const char *bytes, size_t len, const char **to)
{
	const char *at = bytes;
	int n = 0;

	for (; at < bytes + len && n < POINTERS - 1; at += strlen(at) + 1)
		to[n++] = at;
	to[n] = 0;
	return at < bytes + len ? -E2BIG : n;
}

static const char *search_path(const char **envp)
{
	static const char name[] = "PATH=";

	for (; *envp; envp++) {
		size_t i = 0;

		while (i < sizeof(name) - 1 && (*envp)[i] == name[i])
			i++;
		if (i == sizeof(name) - 1)
			return *envp + i;
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* A directory of PATH that this user may not search holds no program for him: only a file that is there and cannot be
 * executed is worth EACCES, as shells have it. */
static long try_exec(const char *path, const char **argv, const char **envp)
{
	long ret = sys(execve, path, argv, envp);

	return ret == -EACCES && sys(faccessat, AT_FDCWD, path, 0) < 0 ? -ENOENT : ret;
}

static long exec_in_path(const char **argv, const char **envp)
{
	static char full[PATH];
	const char *dirs = search_path(envp);
	size_t name = strlen(argv[0]);
	long worst = -ENOENT, ret;

	for (;;) {
		size_t n = 0;

		while (dirs[n] && dirs[n] != ':')
			n++;
		if (n + name + 2 <= PATH) {
			memcpy(full, dirs, n);
			full[n] = '/';
			memcpy(full + (n ? n + 1 : 0), argv[0], name + 1);
			ret = try_exec(full, argv, envp);
			if (ret != -ENOENT && ret != -ENOTDIR && ret != -EACCES)
				return ret;
			worst = ret == -EACCES ? ret : worst;
		}
		if (!dirs[n])
			return worst;
		dirs += n + 1;
	}
}

/* Exec s[0]=argv, s[1]=envp, each NUL after NUL. A name without a slash is looked up in the PATH of the new
 * environment. */
long do_exec(struct machine *m, const struct wire_step *s)
{
	static const char *argv[POINTERS], *envp[POINTERS];
	int words = split(text(m, s, 0), s->s[0].len, argv), names = split(text(m, s, 1), s->s[1].len, envp);
	u64 none = 0;

	if (words <= 0 || names < 0)
		return words < 0 || names < 0 ? -E2BIG : -EINVAL;
	sys(rt_sigprocmask, 2 /* SIG_SETMASK */, &none, 0, 8);
	for (const char *at = argv[0]; *at; at++)
		if (*at == '/')
			return sys(execve, argv[0], argv, envp);
	return *argv[0] ? exec_in_path(argv, envp) : -ENOENT;
}
