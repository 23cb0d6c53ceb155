/* From the caller to init: the only code that runs in memory shared with the caller, for some microseconds. */
#include "isolib.h"
#include "sys.h"

#include <linux/capability.h>
#include <linux/mman.h>

enum { STACK = 64 * 1024, PAGE = 4096, MAX_FDS = 64 };

struct start {
	int init_fd, nfds, raise;
	const int *fds;
	char *argv[3];
	char *envp[1];
	char words[(MAX_FDS + 1) * 12];
	volatile long error;
};

/* child: begin */
/* An exec before the uid map is written drops every capability but the ambient ones (capabilities(7)): in a new user
 * namespace all are held, so all are raised. Runs on its own stack, with every signal blocked, by raw calls alone. */
static void child_raise(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];

	sys(capget, &head, sets);
	sets[0].inheritable = sets[0].permitted;
	sets[1].inheritable = sets[1].permitted;
	sys(capset, &head, sets);
	for (long cap = 0; cap < 64; cap++)
		if (sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap) == -EINVAL)
			break;
}

static void child_main(struct start *start)
{
	if (start->raise)
		child_raise();
	for (int i = 0; i < start->nfds; i++)
		sys(fcntl, start->fds[i], F_SETFD, 0);
	start->error = sys(execveat, start->init_fd, "", start->argv, start->envp, AT_EMPTY_PATH);
	for (;;)
		sys(exit, 127);
}
/* child: end */

/* A system call of the clone family whose child calls fn(arg) on the stack it was given and never returns. */
#if defined(__x86_64__)
static long clone_call(long nr, long a, long b, long c, void (*fn)(struct start *), struct start *arg)
{
	long ret;
	register void *r12 __asm__("r12") = (void *)fn;
	register void *r13 __asm__("r13") = arg;
	__asm__ volatile("xorl %%r10d, %%r10d\n\t"
			 "xorl %%r8d, %%r8d\n\t"
			 "syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "movq %%r13, %%rdi\n\t"
			 "callq *%%r12\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r12), "r"(r13)
			 : "rcx", "r8", "r10", "r11", "memory", "cc");
	return ret;
}
#else
static long clone_call(long nr, long a, long b, long c, void (*fn)(struct start *), struct start *arg)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;
	register void *x20 __asm__("x20") = (void *)fn;
	register void *x21 __asm__("x21") = arg;
	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, x21\n\t"
			 "blr x20\n\t"
			 "brk 1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x20), "r"(x21)
			 : "memory", "cc");
	return x0;
}
#endif

/* exit_signal 0: a start that fails before the exec is nobody's news. The exec makes it SIGCHLD, so later a wait() of
 * somebody else's may reap init; the end is told on the channel before. */
static long clone_init(u64 flags, char *stack, int *pidfd, struct start *start)
{
	struct clone_args args = {
		.flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
		.pidfd = (u64)(size_t)pidfd,
		.stack = (u64)(size_t)stack,
		.stack_size = STACK,
	};
	long pid = clone_call(__NR_clone3, (long)(size_t)&args, sizeof(args), 0, child_main, start);

	/* clone3 is unknown to seccomp profiles of before 2021, which answer EPERM for what they do not list. */
	if (pid == -ENOSYS || pid == -EPERM)
		pid = clone_call(__NR_clone, (long)args.flags, (long)(size_t)(stack + STACK), (long)(size_t)pidfd,
				 child_main, start);
	return pid;
}

static char *put_int(char *to, int value)
{
	char digits[12];
	int n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		*to++ = digits[--n];
	return to;
}

/* init learns the numbers of its descriptors from argv[1]: the plan's, then those of registers 0, 1, … */
static int write_words(struct start *start, int plan_fd)
{
	char *to = put_int(start->words, plan_fd);

	for (int i = 0; i < start->nfds; i++) {
		if (start->fds[i] < 0)
			return -EBADF;
		*to++ = ',';
		to = put_int(to, start->fds[i]);
	}
	*to = 0;
	start->argv[0] = "isolib-init";
	start->argv[1] = start->words;
	return 0;
}

int iso_spawn(uint64_t flags, int init_fd, int plan_fd, const int *fds, int nfds, int *pidfd)
{
	int all[MAX_FDS + 1];
	struct start start = {.init_fd = init_fd, .fds = fds, .nfds = nfds, .raise = !!(flags & CLONE_NEWUSER)};
	u64 every = ~0ULL, before;
	char *stack;
	long pid;

	if (nfds < 0 || nfds > MAX_FDS || plan_fd < 0 || write_words(&start, plan_fd) < 0)
		return -EBADF;
	for (int i = 0; i < nfds; i++)
		all[i] = fds[i];
	all[nfds] = plan_fd;
	start.fds = all;
	start.nfds = nfds + 1;
	stack = (char *)sys(mmap, 0, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1);
	if ((unsigned long)stack > -4096UL)
		return (int)(long)stack;
	sys(mprotect, stack, PAGE, PROT_NONE);
	sys(rt_sigprocmask, 2 /* SIG_SETMASK */, &every, &before, 8);
	pid = clone_init(flags, stack + PAGE, pidfd, &start);
	sys(rt_sigprocmask, 2, &before, 0, 8);
	sys(munmap, stack, STACK + PAGE);
	if (pid > 0 && start.error) {
		sys(waitid, P_PIDFD_, *pidfd, 0, 4 /* WEXITED */ | WALL_);
		sys(close, *pidfd);
		return (int)start.error;
	}
	return (int)pid;
}

int iso_stamp(void)
{
	return ISO_STAMP;
}
