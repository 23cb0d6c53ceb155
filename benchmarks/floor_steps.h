/* What the floor is made of: a function for what each step of a Plan does, in plain C. The first failure ends the
 * program: there is nobody to report it to, and nothing to fall back to. */
#ifndef FLOOR_STEPS_H
#define FLOOR_STEPS_H

#include "../csrc/sys.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EMPTY_PATHS = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH };

#define MUST(call) must((call), #call, __LINE__)

static inline int must(long ret, const char *call, int line)
{
	if (ret >= 0)
		return (int)ret;
	fprintf(stderr, "floor: line %d: %s: %s\n", line, call, strerror((int)-ret));
	exit(1);
}

/* A path inside a root, no link out of it followed; or, of the host's own view, as it is. */
static inline long inside(int root, const char *path, u64 flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

	if (root == AT_FDCWD)
		return sys(openat, root, path, flags | O_CLOEXEC, 0);
	return sys(openat2, root, path, &how, sizeof(how));
}

static inline int is_directory(int fd)
{
	struct statx st;

	MUST(sys(statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MODE, &st));
	return (st.stx_mode & 0170000) == 0040000;
}

/* A mount that is nowhere yet; its options are pairs of key and value, and end with a null key. */
static inline int new_mount(const char *type, const char *const *option, unsigned attributes)
{
	int fs = MUST(sys(fsopen, type, FSOPEN_CLOEXEC)), mount;

	for (; option[0]; option += 2)
		if (option[1][0])
			MUST(sys(fsconfig, fs, FSCONFIG_SET_STRING, option[0], option[1]));
		else
			MUST(sys(fsconfig, fs, FSCONFIG_SET_FLAG, option[0]));
	MUST(sys(fsconfig, fs, FSCONFIG_CMD_CREATE));
	mount = MUST(sys(fsmount, fs, FSMOUNT_CLOEXEC, attributes));
	sys(close, fs);
	return mount;
}

/* The directory of the last name, made where it is missing; one above it is there. */
static inline int parent_of(int root, const char *path, const char **name)
{
	const char *first = path + (*path == '/'), *slash = strrchr(first, '/');
	char head[4096];
	long dir;

	*name = slash ? slash + 1 : first;
	if (!slash)
		return root;
	snprintf(head, sizeof(head), "%.*s", (int)(slash - path), path);
	dir = inside(root, head, O_PATH | O_DIRECTORY);
	if (dir == -ENOENT) {
		MUST(sys(mkdirat, root, head + (*head == '/'), 0755));
		dir = inside(root, head, O_PATH | O_DIRECTORY);
	}
	return MUST(dir);
}

static inline void make_directory(int root, const char *path, int mode)
{
	const char *name;
	int dir = parent_of(root, path, &name);
	long ret = sys(mkdirat, dir, name, mode);

	MUST(ret == -EEXIST ? 0 : ret);
	if (dir != root)
		sys(close, dir);
}

static inline void make_link(int root, const char *path, const char *target)
{
	MUST(sys(symlinkat, target, root, path));
}

static inline void attach(int mount, int root, const char *path)
{
	long fd = inside(root, path, O_PATH);

	if (fd == -ENOENT && is_directory(mount)) {
		make_directory(root, path, 0755);
		fd = inside(root, path, O_PATH);
	} else if (fd == -ENOENT) {
		fd = sys(openat, root, path, O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	}
	MUST(fd);
	MUST(sys(move_mount, mount, "", fd, "", EMPTY_PATHS));
	sys(close, fd);
}

static inline int tree_of(int root, const char *path, unsigned flags)
{
	int fd, tree;

	if (root == AT_FDCWD)
		return MUST(sys(open_tree, root, path, flags | OPEN_TREE_CLOEXEC));
	fd = MUST(inside(root, path, O_PATH));
	tree = MUST(sys(open_tree, fd, "", flags | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
	sys(close, fd);
	return tree;
}

static inline void set_attributes(int mount, u64 add, u64 remove, u64 propagation, int recursive)
{
	struct mount_attr attr = {.attr_set = add, .attr_clr = remove, .propagation = propagation};

	MUST(sys(mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)));
}

static inline void mask(int root, const char *path, int directory, int null)
{
	long fd = inside(root, path, O_PATH);
	int source, tree;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return;
	source = is_directory(MUST(fd)) ? directory : null;
	tree = MUST(sys(open_tree, source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
	MUST(sys(move_mount, tree, "", fd, "", EMPTY_PATHS));
	sys(close, tree);
	sys(close, fd);
}

static inline void read_only(int root, const char *path)
{
	long fd = inside(root, path, O_PATH);
	int tree;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return;
	tree = MUST(sys(open_tree, MUST(fd), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE));
	set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, 1);
	MUST(sys(move_mount, tree, "", fd, "", EMPTY_PATHS));
	sys(close, tree);
	sys(close, fd);
}

static inline void pivot(int root, int scratch)
{
	char old[64];
	int top;

	MUST(sys(mkdirat, scratch, "old", 0700));
	top = MUST(sys(open_tree, scratch, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
	snprintf(old, sizeof(old), "/proc/self/fd/%d/old", top);
	MUST(sys(move_mount, top, "", root, "", EMPTY_PATHS));
	MUST(sys(fchdir, root));
	MUST(sys(pivot_root, ".", old));
	MUST(sys(umount2, ".", 2 /* MNT_DETACH */));
	sys(close, top);
	MUST(sys(chdir, "/"));
}

static inline void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int sock = MUST(sys(socket, 2 /* AF_INET */, 2 /* SOCK_DGRAM */ | O_CLOEXEC, 0));

	MUST(sys(ioctl, sock, 0x8914 /* SIOCSIFFLAGS */, &request));
	sys(close, sock);
}

static inline void change_directory(const char *path)
{
	char where[4096];

	MUST(sys(chdir, path));
	MUST(sys(getcwd, where, sizeof(where)));
}

static inline void capabilities(u64 bounding, u64 permitted, u64 effective, u64 inheritable)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];

	MUST(sys(capget, &head, sets));
	for (int half = 0; half < 2; half++)
		sets[half].effective = sets[half].permitted;
	MUST(sys(capset, &head, sets));
	for (int cap = 0; cap < 64; cap++)
		if (!(bounding >> cap & 1) && sys(prctl, PR_CAPBSET_DROP, cap) == -EINVAL)
			break;
	for (int half = 0; half < 2; half++) {
		sets[half].permitted = (u32)(permitted >> 32 * half);
		sets[half].effective = (u32)(effective >> 32 * half);
		sets[half].inheritable = (u32)(inheritable >> 32 * half);
	}
	MUST(sys(capset, &head, sets));
	MUST(sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

static inline void seccomp_filter(const void *code, unsigned count, unsigned flags)
{
	struct sock_fprog program = {.len = (unsigned short)count, .filter = (struct sock_filter *)code};

	MUST(sys(seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

static inline void execute(const char *const *argv, const char *const *envp)
{
	u64 none = 0;

	sys(rt_sigprocmask, 2 /* SIG_SETMASK */, &none, 0, 8);
	MUST(sys(execve, argv[0], argv, envp));
}

#endif
