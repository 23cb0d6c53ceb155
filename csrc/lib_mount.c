/* The mount calls that Python's standard library lacks, by descriptor (Linux 5.2 on, mount_setattr 5.12 on). */
#include "isolib.h"
#include "sys.h"

int iso_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

	return (int)sys(openat2, dir, path, &how, sizeof(how));
}

int iso_open_tree(int dir, const char *path, unsigned flags)
{
	return (int)sys(open_tree, dir, path, flags);
}

int iso_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags)
{
	return (int)sys(move_mount, from, from_path, to, to_path, flags);
}

int iso_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
		      int userns)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};

	if (userns >= 0)
		attr.userns_fd = (u64)userns;
	return (int)sys(mount_setattr, dir, path, flags, &attr, sizeof(attr));
}

int iso_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	return (int)sys(mount, source, target, type, flags, data);
}

int iso_umount2(const char *target, int flags)
{
	return (int)sys(umount2, target, flags);
}

int iso_landlock_abi(void)
{
	return (int)sys(landlock_create_ruleset, 0, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
}
