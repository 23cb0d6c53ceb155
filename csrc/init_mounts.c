/* Steps on mounts, by descriptor (Linux 5.2's mount calls; 5.12's mount_setattr for what is asked recursively). */
#include "init.h"

#include <linux/stat.h>

#define MNT_DETACH_ 2

enum { FD_PATH = 32, PAGE = 4096 };

/* "/proc/self/fd/N": mount(2) and overlay's options take paths only. Needs the host's /proc, so it is used before
 * pivot. */
static const char *fd_path(char *to, int fd)
{
	static const char head[] = "/proc/self/fd/";
	char digits[12];
	int n = 0, at = sizeof(head) - 1;

	memcpy(to, head, sizeof(head));
	do
		digits[n++] = (char)('0' + fd % 10);
	while (fd /= 10);
	while (n)
		to[at++] = digits[--n];
	to[at] = 0;
	return to;
}

/* Reopen n[0]=register, n[1]=into: a directory that the caller handed over, by its path: overlay takes an upper
 * directory of a mount of this namespace only (check_mnt). It lies where nobody but the caller can come. */
long do_reopen(struct machine *m, const struct wire_step *s)
{
	static char path[PAGE];
	char link[FD_PATH];
	long n = sys(readlinkat, AT_FDCWD, fd_path(link, reg(m, s->n[0])), path, PAGE - 1);

	return n < 0 ? n
		     : set_reg(m, s->n[1], sys(openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/* Options travel as key NUL value NUL …; a key with an empty value is a flag. */
static long configure(long fs, const char *options, size_t len)
{
	for (const char *end = options + len; options < end;) {
		const char *key = options, *value = key + strlen(key) + 1;
		long ret;

		if (value >= end)
			return -EBADMSG;
		ret = *value ? sys(fsconfig, fs, FSCONFIG_SET_STRING, key, value)
			     : sys(fsconfig, fs, FSCONFIG_SET_FLAG, key);
		if (ret < 0)
			return ret;
		options = value + strlen(value) + 1;
	}
	return sys(fsconfig, fs, FSCONFIG_CMD_CREATE);
}

/* MountNew n[0]=into, n[1]=attributes; s[0]=type, s[1]=options: a mount that is nowhere yet. */
long do_mount_new(struct machine *m, const struct wire_step *s)
{
	long fs = sys(fsopen, text(m, s, 0), FSOPEN_CLOEXEC), ret;

	if (fs < 0)
		return fs;
	ret = configure(fs, text(m, s, 1), s->s[1].len);
	if (ret == 0)
		ret = set_reg(m, s->n[0], sys(fsmount, fs, FSMOUNT_CLOEXEC, s->n[1]));
	sys(close, fs);
	return ret;
}

/* "%N" in the text stands for the path of register N, "%%" for a percent sign. */
static long expand(struct machine *m, const char *from, char *to, size_t size)
{
	size_t at = 0;

	for (; *from && at + FD_PATH < size; from++) {
		int number = 0;

		if (*from != '%' || *++from == '%') {
			to[at++] = *from;
			continue;
		}
		for (; *from >= '0' && *from <= '9'; from++)
			number = (number * 10 + *from - '0') % 1000;
		from--;
		if (reg(m, number) < 0)
			return -EBADF;
		at += strlen(fd_path(to + at, reg(m, number)));
	}
	to[at] = 0;
	return *from ? -E2BIG : 0;
}

/* Mount n[0]=flags; s[0]=type and, after its NUL, the mount point; s[1]=data; both with registers: mount(2), for
 * overlay, whose layers do not fit the 256 bytes of fsconfig(2). */
long do_mount(struct machine *m, const struct wire_step *s)
{
	static char data[PAGE + FD_PATH], target[PAGE];
	const char *type = text(m, s, 0), *point = type + strlen(type) + 1;
	long ret = point < type + s->s[0].len ? expand(m, point, target, sizeof(target)) : -EBADMSG;

	if (ret == 0)
		ret = expand(m, text(m, s, 1), data, sizeof(data));
	return ret < 0 ? ret : sys(mount, type, target, type, s->n[0], data);
}

/* OpenTree n[0]=root, n[1]=flags, n[2]=into; s[0]=path (none: root itself): a copy of what is mounted there, attached
 * nowhere. */
long do_open_tree(struct machine *m, const struct wire_step *s)
{
	int root = reg(m, s->n[0]);
	long fd, tree;

	if (!s->s[0].len)
		return set_reg(m, s->n[2], sys(open_tree, root, "", s->n[1] | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
	if (root == AT_FDCWD)
		return set_reg(m, s->n[2], sys(open_tree, root, text(m, s, 0), s->n[1] | OPEN_TREE_CLOEXEC));
	fd = open_inside(root, text(m, s, 0), O_PATH);
	if (fd < 0)
		return fd;
	tree = sys(open_tree, fd, "", s->n[1] | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	sys(close, fd);
	return set_reg(m, s->n[2], tree);
}

/* SetAttributes n[0]=mount, n[1]=set, n[2]=clear, n[3]=propagation, n[4]=1: recursive */
long do_set_attributes(struct machine *m, const struct wire_step *s)
{
	struct mount_attr attr = {.attr_set = (u64)s->n[1], .attr_clr = (u64)s->n[2], .propagation = (u64)s->n[3]};
	unsigned flags = AT_EMPTY_PATH | (s->n[4] ? AT_RECURSIVE : 0);

	return sys(mount_setattr, reg(m, s->n[0]), "", flags, &attr, sizeof(attr));
}

static long attach(int mount, int target)
{
	return sys(move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

long type_of(int fd)
{
	struct statx st;
	long ret = sys(statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MODE, &st);

	return ret < 0 ? ret : st.stx_mode & IFMT_;
}

/* Attach n[0]=mount, n[1]=root, n[2]: what to do where s[0]=path inside root is missing, 0: fail, 1: make it, 2: leave
 * it; and 4: a link there is an error (ENOTDIR). The mount's register stays usable. */
long do_attach(struct machine *m, const struct wire_step *s)
{
	int mount = reg(m, s->n[0]), root = reg(m, s->n[1]);
	long fd = open_inside(root, text(m, s, 0), O_PATH | (s->n[2] & 4 ? O_NOFOLLOW : 0)), type, ret;

	if (fd == -ENOENT && s->n[2] == 2)
		return 0;
	if (fd == -ENOENT && s->n[2] & 1) {
		type = type_of(mount);
		fd = type < 0 ? type : open_made(root, text(m, s, 0), type == IFDIR_, type == IFDIR_ ? 0755 : 0644);
	}
	if (fd < 0)
		return fd;
	ret = attach(mount, (int)fd);
	sys(close, fd);
	return ret;
}

/* Propagate n[0]=MS_ flags, over everything below / */
long do_propagate(struct machine *m, const struct wire_step *s)
{
	(void)m;
	return sys(mount, 0, "/", 0, s->n[0], 0);
}

/* Mask n[0]=root, n[1]=mount of an empty directory, n[2]=mount of /dev/null; s[0]=path. Missing: nothing to hide. */
long do_mask(struct machine *m, const struct wire_step *s)
{
	long fd = open_inside(reg(m, s->n[0]), text(m, s, 0), O_PATH), type, tree;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return fd;
	type = type_of((int)fd);
	tree = type < 0 ? type
			: sys(open_tree, reg(m, s->n[type == IFDIR_ ? 1 : 2]), "",
			      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree >= 0) {
		type = attach((int)tree, (int)fd);
		sys(close, tree);
	}
	sys(close, fd);
	return tree < 0 ? tree : type;
}

/* ReadOnly n[0]=root; s[0]=path: the same tree over itself, read-only with all below it. Missing: nothing to do. */
long do_read_only(struct machine *m, const struct wire_step *s)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	long fd = open_inside(reg(m, s->n[0]), text(m, s, 0), O_PATH), tree, ret;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return fd;
	tree = sys(open_tree, fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	ret = tree < 0 ? tree : sys(mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
	if (ret == 0)
		ret = attach((int)tree, (int)fd);
	if (tree >= 0)
		sys(close, tree);
	sys(close, fd);
	return ret;
}

/* Pivot n[0]=root, n[1]=the scratch, which lies over the old root. pivot_root(".", ".") would leave the two in a stack,
 * to be unmounted one by one, and the kernel waits for a grace period of RCU each time. So the scratch is laid over the
 * new root as well, takes the old one into a directory, and all of it goes at once. Needs the host's /proc. */
long do_pivot(struct machine *m, const struct wire_step *s)
{
	int root = reg(m, s->n[0]), scratch = reg(m, s->n[1]);
	char old[FD_PATH + 8];
	long top, ret = sys(mkdirat, scratch, "old", 0700);

	if (ret < 0)
		return ret;
	top = sys(open_tree, scratch, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (top < 0)
		return top;
	memcpy(old + strlen(fd_path(old, (int)top)), "/old", sizeof("/old"));
	ret = attach((int)top, root);
	if (ret == 0)
		ret = sys(fchdir, root);
	if (ret == 0)
		ret = sys(pivot_root, ".", old);
	if (ret == 0)
		ret = sys(umount2, ".", MNT_DETACH_);
	sys(close, top);
	return ret < 0 ? ret : sys(chdir, "/");
}

/* Chroot n[0]=root: where pivot_root cannot be had (the old root stays mounted, though out of sight). */
long do_chroot(struct machine *m, const struct wire_step *s)
{
	long ret = sys(fchdir, reg(m, s->n[0]));

	if (ret == 0)
		ret = sys(chroot, ".");
	return ret < 0 ? ret : sys(chdir, "/");
}
