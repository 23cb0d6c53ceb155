/* The table from a step's number to what it does, and the registers. */
#include "init.h"

step_function *const OPS[OP_END] = {
	[OP_SYNC] = do_sync,
	[OP_SEND] = do_send,
	[OP_PRCTL] = do_prctl,
	[OP_SETNS] = do_setns,
	[OP_UNSHARE] = do_unshare,
	[OP_HOSTNAME] = do_hostname,
	[OP_DOMAINNAME] = do_domainname,
	[OP_LOOPBACK] = do_loopback,
	[OP_OPEN] = do_open,
	[OP_CLOSE] = do_close,
	[OP_MOUNT_NEW] = do_mount_new,
	[OP_MOUNT] = do_mount,
	[OP_OPEN_TREE] = do_open_tree,
	[OP_SET_ATTRIBUTES] = do_set_attributes,
	[OP_ATTACH] = do_attach,
	[OP_PROPAGATE] = do_propagate,
	[OP_MKDIR] = do_mkdir,
	[OP_FILE] = do_file,
	[OP_SYMLINK] = do_symlink,
	[OP_MKNOD] = do_mknod,
	[OP_WRITE] = do_write,
	[OP_MASK] = do_mask,
	[OP_READ_ONLY] = do_read_only,
	[OP_PIVOT] = do_pivot,
	[OP_CHROOT] = do_chroot,
	[OP_CHDIR] = do_chdir,
	[OP_FORK] = do_fork,
	[OP_SETSID] = do_setsid,
	[OP_PTY] = do_pty,
	[OP_CONTROLLING] = do_controlling,
	[OP_CHOWN] = do_chown,
	[OP_FDS] = do_fds,
	[OP_RLIMIT] = do_rlimit,
	[OP_UMASK] = do_umask,
	[OP_GROUPS] = do_groups,
	[OP_GID] = do_gid,
	[OP_UID] = do_uid,
	[OP_CAPABILITIES] = do_capabilities,
	[OP_LANDLOCK] = do_landlock,
	[OP_SECCOMP] = do_seccomp,
	[OP_SCHEDULER] = do_scheduler,
	[OP_NICE] = do_nice,
	[OP_IOPRIO] = do_ioprio,
	[OP_AFFINITY] = do_affinity,
	[OP_PERSONALITY] = do_personality,
	[OP_KEYRING] = do_keyring,
	[OP_EXEC] = do_exec,
	[OP_STAY] = do_stay,
	[OP_CLONE] = do_clone,
	[OP_REOPEN] = do_reopen,
};

/* Keeps fd in register n, which must be empty. Takes the descriptor over, also where it fails. */
long set_reg(struct machine *m, s64 n, long fd)
{
	if (fd < 0)
		return fd;
	if (n < 0 || n >= WIRE_REGISTERS || m->registers[n] >= 0) {
		sys(close, fd);
		return -EBADMSG;
	}
	m->registers[n] = (int)fd;
	return 0;
}
