/* init: reads a Plan and walks it. An ordinary program: its arguments are descriptor numbers, its environment is empty.
 */
#include "init.h"

#include <linux/mman.h>

enum { FIRST_FREE = 3, SEEK_END_ = 2 };

static int next_number(const char **words)
{
	int value = 0, digits = 0;

	for (; **words >= '0' && **words <= '9' && digits < 9; digits++)
		value = value * 10 + *(*words)++ - '0';
	if (!digits || (**words && *(*words)++ != ','))
		return -1;
	return value;
}

/* Descriptors 0 to 2 are the payload's to fill, so the registers live above them. */
static int keep(int fd)
{
	long moved = fd;

	if (fd < FIRST_FREE) {
		moved = sys(fcntl, fd, F_DUPFD_CLOEXEC, FIRST_FREE);
		return (int)moved;
	}
	sys(fcntl, fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* close_range(2) is Linux 5.9, and seccomp profiles older than it answer EPERM. */
static void close_between(unsigned first, unsigned last)
{
	if (first > last || sys(close_range, first, last, 0) == 0)
		return;
	for (unsigned fd = first; fd <= last && fd < 65536; fd++)
		sys(close, fd);
}

/* Everything the caller had open without close-on-exec ends here, before anything else is done. */
static void close_others(struct machine *m, int plan)
{
	unsigned from = 0;

	for (;;) {
		unsigned next = ~0U;

		for (int i = 0; i < WIRE_REGISTERS; i++)
			if (m->registers[i] >= 0 && (unsigned)m->registers[i] >= from &&
			    (unsigned)m->registers[i] < next)
				next = (unsigned)m->registers[i];
		if ((unsigned)plan >= from && (unsigned)plan < next)
			next = (unsigned)plan;
		if (next == ~0U)
			break;
		close_between(from, next - 1);
		from = next + 1;
	}
	close_between(from, ~0U);
}

static long read_words(struct machine *m, const char *words)
{
	int plan, n = 0, raw[WIRE_REGISTERS];

	for (int i = 0; i < WIRE_REGISTERS; i++)
		m->registers[i] = -1;
	plan = next_number(&words);
	while (*words && n < WIRE_REGISTERS)
		raw[n++] = next_number(&words);
	for (int i = 0; i < n; i++)
		m->registers[i] = keep(raw[i]);
	plan = plan < 0 ? -1 : keep(plan);
	if (plan < 0)
		return -EBADF;
	close_others(m, plan);
	return plan;
}

/* Ignored signals survive an exec: Python's SIGPIPE, and a caller's SIGCHLD, which would reap our children unseen. */
static void default_signals(void)
{
	struct {
		void *handler;
		unsigned long flags, restorer, mask;
	} action = {0};

	for (int number = 1; number <= 64; number++)
		sys(rt_sigaction, number, &action, 0, 8);
}

static long map_plan(struct machine *m, int fd)
{
	long size = sys(lseek, fd, 0, SEEK_END_);
	long at = size > 0 ? sys(mmap, 0, size, PROT_READ, MAP_PRIVATE, fd, 0) : -EBADMSG;

	sys(close, fd);
	return (unsigned long)at > -4096UL ? at : plan_check(m, (const char *)at, (size_t)size);
}

static long walk(struct machine *m)
{
	for (m->at = 0; m->at < (int)m->head->steps; m->at++) {
		const struct wire_step *step = &m->steps[m->at];
		long ret = OPS[step->op](m, step);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int init_main(int argc, char **argv)
{
	static struct machine m;
	long ret;

	/* Nobody in the container may trace init or open its descriptors (ptrace(2), "access mode checking"). */
	sys(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	sys(prctl, PR_SET_NAME, "isolib-init", 0, 0, 0);
	if (argc != 2 || (ret = read_words(&m, argv[1])) < 0)
		return 125;
	memset(argv[1], 0, strlen(argv[1])); /* ps in the container shows the name alone */
	default_signals();
	sys(umask, 0); /* modes in a Plan are meant; the payload's own umask is one of its steps */
	m.at = -1;
	ret = map_plan(&m, (int)ret);
	if (ret == 0)
		ret = walk(&m);
	if (ret < 0) {
		report(&m, EVENT_FAILED, (int)-ret, 0);
		return 125;
	}
	/* Only a Plan without a payload comes here. */
	report(&m, EVENT_STARTED, 0, 0);
	report(&m, EVENT_EXITED, 0, 0);
	return 0;
}

#ifdef ISO_HOSTED
int main(int argc, char **argv)
{
	return init_main(argc, argv);
}
#else
void *memset(void *to, int byte, size_t n)
{
	for (char *at = to; n--;)
		*at++ = (char)byte;
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	const char *source = from;

	for (char *at = to; n--;)
		*at++ = *source++;
	return to;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

__attribute__((noreturn, used)) void start_c(long *stack)
{
	int status = init_main((int)stack[0], (char **)(stack + 1));

	for (;;)
		sys(exit_group, status);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xorl %ebp, %ebp\n\tmovq %rsp, %rdi\n\tandq $-16, %rsp\n\tcall start_c\n");
#else
__asm__(".globl _start\n_start: mov x29, xzr\n\tmov x0, sp\n\tb start_c\n");
#endif
#endif
