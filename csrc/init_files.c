/* Steps on files: every path is resolved inside the root whose register the step names, or is the host's own. */
#include "init.h"

#include <linux/stat.h>

enum { PATH = 4096 };

long open_inside(int root, const char *path, u64 flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC};

	if (root == AT_FDCWD)
		return sys(openat, root, path, flags | O_CLOEXEC, 0);
	how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	for (;;) {
		long fd = sys(openat2, root, path, &how, sizeof(how));

		if (fd != -EAGAIN) /* a rename raced with "..": openat2(2) asks to try again */
			return fd;
	}
}

/* Makes one name in an open directory: 0, the descriptor of a new file, or -errno. */
static long make_one(long dir, const char *name, int is_dir, int mode)
{
	if (is_dir)
		return sys(mkdirat, dir, name, mode);
	return sys(openat, dir, name, O_CREAT | O_EXCL | O_CLOEXEC, mode);
}

static void done_with(long dir, int root)
{
	if (dir != root)
		sys(close, dir);
}

/* The directory of the last name, made where missing, one component at a time: each is opened from the root again, so a
 * name swapped for a link in between still ends inside (the class of runc's CVE-2021-30465 and CVE-2025-52565). It may
 * be the root itself: done_with() closes what is not. The host's own view is no root: nothing is ever made there. */
static long open_parent(int root, const char *path, char *prefix, size_t *last)
{
	long dir = root, next;
	size_t from = 0, n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	if (root < 0 || n >= PATH)
		return root < 0 ? -EBADF : -ENAMETOOLONG;
	memcpy(prefix, path, n);
	prefix[n] = 0;
	for (size_t i = 0; i < n && dir >= 0; i++) {
		if (prefix[i] != '/')
			continue;
		if (i > from) {
			prefix[i] = 0;
			next = open_inside(root, prefix, O_PATH | O_DIRECTORY);
			if (next == -ENOENT) {
				next = make_one(dir, prefix + from, 1, 0755);
				if (next == 0 || next == -EEXIST)
					next = open_inside(root, prefix, O_PATH | O_DIRECTORY);
			}
			prefix[i] = '/';
			done_with(dir, root);
			dir = next;
		}
		from = i + 1;
	}
	*last = from;
	return dir;
}

/* Makes path inside root, which open_inside did not find, as a directory or an empty file, and opens it. */
long open_made(int root, const char *path, int is_dir, int mode)
{
	char prefix[PATH];
	size_t last;
	long dir = open_parent(root, path, prefix, &last), ret;

	if (dir < 0)
		return dir;
	ret = make_one(dir, prefix + last, is_dir, mode);
	done_with(dir, root);
	if (ret >= 0 ? is_dir : ret == -EEXIST)
		ret = open_inside(root, path, O_PATH);
	return ret;
}

/* Open n[0]=root, n[1]=flags, n[2]=into; s[0]=path */
long do_open(struct machine *m, const struct wire_step *s)
{
	return set_reg(m, s->n[2], open_inside(reg(m, s->n[0]), text(m, s, 0), (u64)s->n[1]));
}

/* Close n[0]=register */
long do_close(struct machine *m, const struct wire_step *s)
{
	int fd = reg(m, s->n[0]);

	if (fd < 0 || s->n[0] <= REG_CALLER)
		return -EBADF;
	m->registers[s->n[0]] = -1;
	return sys(close, fd);
}

/* Mkdir n[0]=root, n[1]=mode; s[0]=path. There already: as it is. */
long do_mkdir(struct machine *m, const struct wire_step *s)
{
	char prefix[PATH];
	size_t last;
	int root = reg(m, s->n[0]);
	long dir = open_parent(root, text(m, s, 0), prefix, &last), ret;

	if (dir < 0)
		return dir;
	ret = make_one(dir, prefix + last, 1, (int)s->n[1]);
	done_with(dir, root);
	return ret == -EEXIST ? 0 : ret;
}

static long write_all(long fd, const char *data, size_t len)
{
	long ret = 0;

	do {
		ret = sys(write, fd, data, len);
		if (ret > 0)
			data += ret, len -= (size_t)ret;
	} while (len && (ret > 0 || ret == -EINTR));
	return ret < 0 ? ret : 0;
}

static long written(long fd, const char *data, size_t len)
{
	long ret;

	if (fd < 0)
		return fd;
	ret = write_all(fd, data, len);
	sys(close, fd);
	return ret;
}

/* File n[0]=root, n[1]=mode; s[0]=path, s[1]=content: a new file. A name that is taken is replaced, never written
 * through. */
long do_file(struct machine *m, const struct wire_step *s)
{
	char prefix[PATH];
	size_t last;
	int root = reg(m, s->n[0]);
	long dir = open_parent(root, text(m, s, 0), prefix, &last), fd;

	if (dir < 0)
		return dir;
	sys(unlinkat, dir, prefix + last, 0);
	fd = sys(openat, dir, prefix + last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		sys(fchmod, fd, s->n[1]);
	done_with(dir, root);
	return written(fd, text(m, s, 1), s->s[1].len);
}

/* Symlink n[0]=root, n[1]=1: in place of a file that has the name; s[0]=path, s[1]=target. The same link may be there.
 */
long do_symlink(struct machine *m, const struct wire_step *s)
{
	char prefix[PATH], there[PATH];
	const char *target = text(m, s, 1);
	size_t last;
	int root = reg(m, s->n[0]);
	long dir = open_parent(root, text(m, s, 0), prefix, &last), ret, n;

	if (dir < 0)
		return dir;
	ret = sys(symlinkat, target, dir, prefix + last);
	if (ret == -EEXIST) {
		n = sys(readlinkat, dir, prefix + last, there, sizeof(there));
		for (long i = 0; n == (long)s->s[1].len && i < n; i++)
			n = there[i] == target[i] ? n : 0;
		if (n == (long)s->s[1].len)
			ret = 0;
		else if (s->n[1] && (ret = sys(unlinkat, dir, prefix + last, 0)) == 0)
			ret = sys(symlinkat, target, dir, prefix + last);
	}
	done_with(dir, root);
	return ret;
}

/* Mknod n[0]=root, n[1]=mode with type, n[2]=device; s[0]=path */
long do_mknod(struct machine *m, const struct wire_step *s)
{
	char prefix[PATH];
	size_t last;
	int root = reg(m, s->n[0]);
	long dir = open_parent(root, text(m, s, 0), prefix, &last), ret;

	if (dir < 0)
		return dir;
	ret = sys(mknodat, dir, prefix + last, s->n[1], s->n[2]);
	if (ret == 0)
		ret = sys(fchmodat, dir, prefix + last, s->n[1] & 07777);
	done_with(dir, root);
	return ret;
}

/* Write n[0]=root; s[0]=path of a file that exists, s[1]=content, in one write as procfs wants it. */
long do_write(struct machine *m, const struct wire_step *s)
{
	long fd = open_inside(reg(m, s->n[0]), text(m, s, 0), O_WRONLY | O_NOCTTY);

	return written(fd, text(m, s, 1), s->s[1].len);
}

/* Chdir s[0]=path. A directory outside the root reads "(unreachable)…" (getcwd(2)): runc's CVE-2024-21626. */
long do_chdir(struct machine *m, const struct wire_step *s)
{
	char where[PATH];
	long ret = sys(chdir, text(m, s, 0));

	if (ret < 0)
		return ret;
	ret = sys(getcwd, where, sizeof(where));
	if (ret < 0 && ret != -ERANGE)
		return ret;
	return ret == -ERANGE || where[0] == '/' ? 0 : -EXDEV;
}

/* Chown n[0]=register, n[1]=uid, n[2]=gid, of a descriptor that is ours alone. */
long do_chown(struct machine *m, const struct wire_step *s)
{
	return sys(fchown, reg(m, s->n[0]), s->n[1], s->n[2]);
}
