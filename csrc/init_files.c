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

/* Makes one name in an open directory; that it is there already is no error here. */
static long make_one(long dir, const char *name, int is_dir, int mode)
{
	long ret = is_dir ? sys(mkdirat, dir, name, mode) : sys(openat, dir, name, O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (!is_dir && ret >= 0)
		sys(close, ret);
	return ret == -EEXIST || ret > 0 ? 0 : ret;
}

/* The directory of the last name, made where missing, one component at a time: each is opened from the root again, so a
 * name swapped for a link in between still ends inside (the class of runc's CVE-2021-30465 and CVE-2025-52565). */
static long open_parent(int root, const char *path, char *prefix, size_t *last)
{
	long dir = open_inside(root, ".", O_PATH | O_DIRECTORY);
	size_t from = 0, n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	if (n >= PATH)
		return -ENAMETOOLONG;
	memcpy(prefix, path, n);
	prefix[n] = 0;
	for (size_t i = 0; i <= n && dir >= 0; i++) {
		if (i < n && prefix[i] != '/')
			continue;
		if (i == n)
			break;
		if (i > from) {
			long next;

			prefix[i] = 0;
			next = open_inside(root, prefix, O_PATH | O_DIRECTORY);
			if (next == -ENOENT && (next = make_one(dir, prefix + from, 1, 0755)) == 0)
				next = open_inside(root, prefix, O_PATH | O_DIRECTORY);
			prefix[i] = '/';
			sys(close, dir);
			dir = next;
		}
		from = i + 1;
	}
	*last = from;
	return dir;
}

/* An O_PATH descriptor of path inside root, made as a directory or an empty file where it is missing. */
long open_made(int root, const char *path, int is_dir, int mode)
{
	char prefix[PATH];
	size_t last;
	long fd = open_inside(root, path, O_PATH), dir, ret;

	if (fd != -ENOENT || root == AT_FDCWD)
		return fd;
	dir = open_parent(root, path, prefix, &last);
	if (dir < 0)
		return dir;
	ret = make_one(dir, prefix + last, is_dir, mode);
	sys(close, dir);
	return ret < 0 ? ret : open_inside(root, path, O_PATH);
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
	long fd = open_made(reg(m, s->n[0]), text(m, s, 0), 1, (int)s->n[1]);

	return fd < 0 ? fd : sys(close, fd);
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

/* File n[0]=root, n[1]=mode; s[0]=path, s[1]=content: a new file. A name that is taken is replaced, never written through. */
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
	sys(close, dir);
	return written(fd, text(m, s, 1), s->s[1].len);
}

/* Symlink n[0]=root; s[0]=path, s[1]=target. The link that is there already with any target stays. */
long do_symlink(struct machine *m, const struct wire_step *s)
{
	char prefix[PATH];
	size_t last;
	long dir = open_parent(reg(m, s->n[0]), text(m, s, 0), prefix, &last), ret;

	if (dir < 0)
		return dir;
	ret = sys(symlinkat, text(m, s, 1), dir, prefix + last);
	sys(close, dir);
	return ret == -EEXIST ? 0 : ret;
}

/* Mknod n[0]=root, n[1]=mode with type, n[2]=device; s[0]=path */
long do_mknod(struct machine *m, const struct wire_step *s)
{
	char prefix[PATH];
	size_t last;
	long dir = open_parent(reg(m, s->n[0]), text(m, s, 0), prefix, &last), ret;

	if (dir < 0)
		return dir;
	ret = sys(mknodat, dir, prefix + last, s->n[1], s->n[2]);
	if (ret == 0)
		ret = sys(fchmodat, dir, prefix + last, s->n[1] & 07777);
	sys(close, dir);
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
