/* Raw system calls, the constants that old kernel headers lack, and nothing of the C library: shared by the
 * extension's child and by the freestanding init. Every call returns a value >= 0 or -errno. */
#ifndef ISO_SYS_H
#define ISO_SYS_H

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#if defined(__x86_64__)
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#else
#error "isolib knows x86_64 and aarch64"
#endif

#define SYS_ARGS(nr, a, b, c, d, e, f, ...)                                                                            \
	sys6(__NR_##nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* sys(openat, dir, path, flags): the arguments left out are zero. */
#define sys(...) SYS_ARGS(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Since which kernel a call exists is said where it is used; the numbers below are the same on every architecture. */
#ifndef __NR_close_range
#define __NR_close_range 436 /* 5.9 */
#endif
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442 /* 5.12 */
#endif
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444 /* 5.13 */
#define __NR_landlock_add_rule 445
#define __NR_landlock_restrict_self 446
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef O_PATH
#define O_PATH 010000000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define P_PIDFD_ 3
#define WALL_ 0x40000000
#define POLLIN_ 1
#define POLLHUP_ 16
#define SOL_SOCKET_ 1
#define SCM_RIGHTS_ 1
#define MSG_NOSIGNAL_ 0x4000
#define MSG_CMSG_CLOEXEC_ 0x40000000
#define MSG_DONTWAIT_ 0x40
#define SIG_ALL_BLOCK_ 0

struct pollfd_ {
	int fd;
	short events, revents;
};

struct iovec_ {
	void *base;
	size_t len;
};

struct msghdr_ {
	void *name;
	int namelen;
	struct iovec_ *iov;
	size_t iovlen;
	void *control;
	size_t controllen;
	unsigned flags;
};

struct timespec_ {
	s64 sec, nsec;
};

enum { MESSAGE_FDS = 64 };

struct rights_ {
	size_t len;
	int level, type;
	int fds[MESSAGE_FDS];
};

/* One datagram with descriptors (unix(7), SCM_RIGHTS). */
static inline long send_fds(int sock, const void *data, size_t len, const int *fds, int nfds, int flags)
{
	struct rights_ rights = {.len = 16 + 4 * (size_t)nfds, .level = SOL_SOCKET_, .type = SCM_RIGHTS_};
	struct iovec_ iov = {(void *)data, len};
	struct msghdr_ msg = {.iov = &iov, .iovlen = 1};

	if (nfds < 0 || nfds > MESSAGE_FDS)
		return -EINVAL;
	for (int i = 0; i < nfds; i++)
		rights.fds[i] = fds[i];
	if (nfds) {
		msg.control = &rights;
		msg.controllen = (rights.len + 7) & ~(size_t)7;
	}
	return sys(sendmsg, sock, &msg, MSG_NOSIGNAL_ | flags);
}

/* The other side: up to max descriptors, close-on-exec; *nfds says how many came. */
static inline long recv_fds(int sock, void *data, size_t len, int *fds, int max, int *nfds, int flags)
{
	struct rights_ rights = {0};
	struct iovec_ iov = {data, len};
	struct msghdr_ msg = {.iov = &iov, .iovlen = 1, .control = &rights, .controllen = sizeof(rights)};
	long got = sys(recvmsg, sock, &msg, MSG_CMSG_CLOEXEC_ | flags);
	int came = 0;

	if (got >= 0 && msg.controllen >= 16 && rights.type == SCM_RIGHTS_)
		came = (int)((rights.len - 16) / 4);
	*nfds = 0;
	for (int i = 0; i < came && i < MESSAGE_FDS; i++) {
		if (i < max)
			fds[(*nfds)++] = rights.fds[i];
		else
			sys(close, rights.fds[i]);
	}
	return got;
}

#endif
