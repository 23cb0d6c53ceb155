/* Files of cgroups, by the descriptor of their hierarchy: one call where Python would make three. */
#include "isolib.h"
#include "sys.h"

int iso_write_file(int dir, const char *path, const void *text, size_t len)
{
	int fd = (int)sys(openat, dir, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return fd;
	int rc = (int)sys(write, fd, text, len);
	sys(close, fd);
	return rc;
}
