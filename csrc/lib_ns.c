/* Namespaces by descriptor: join, leave, and what nsfs answers about one (ioctl_nsfs(2), Linux 4.9 and 4.11). */
#include "isolib.h"
#include "sys.h"

#include <linux/nsfs.h>

int iso_setns(int fd, int kind)
{
	return (int)sys(setns, fd, kind);
}

int iso_unshare(uint64_t flags)
{
	return (int)sys(unshare, flags);
}

int iso_ns_kind(int fd)
{
	return (int)sys(ioctl, fd, NS_GET_NSTYPE);
}

int iso_ns_owner(int fd)
{
	return (int)sys(ioctl, fd, NS_GET_USERNS);
}

int iso_ns_parent(int fd)
{
	return (int)sys(ioctl, fd, NS_GET_PARENT);
}

int iso_ns_owner_uid(int fd, uint32_t *uid)
{
	return (int)sys(ioctl, fd, NS_GET_OWNER_UID, uid);
}
