/* The Plan as it crosses into init: one flat buffer of a head, steps of 64 bytes, and the bytes they point into by
 * offset. launch/wire.py writes it, init_plan.c checks every bound before the first step runs. */
#ifndef ISO_WIRE_H
#define ISO_WIRE_H

#include "sys.h"

enum { WIRE_MAGIC = 0x314f5349, WIRE_REGISTERS = 128, WIRE_STEPS = 65536 };

struct wire_head {
	u32 magic, size, steps, slots;
};

struct wire_bytes {
	u32 at, len; /* `at` is a multiple of 8; the byte at `at + len` is there, and 0 */
};

struct wire_step {
	u16 op;
	u16 unused;
	u32 size;
	s64 n[5];
	struct wire_bytes s[2];
};

_Static_assert(sizeof(struct wire_step) == 64, "launch/wire.py packs 64 bytes");

/* Registers hold descriptors. These come from the caller; steps fill the ones above. */
enum {
	REG_CHANNEL = 0,
	REG_CALLER = 1,
	REG_STDIN = 2,
	REG_STDOUT = 3,
	REG_STDERR = 4,
	REG_EXEC_PIPE = 127,
	REG_NONE = -1,
	REG_HOST = -100
};

enum event_kind { EVENT_SYNC = 1, EVENT_FD, EVENT_FAILED, EVENT_STARTED, EVENT_EXITED };

/* What the caller may say to init once the payload runs. */
enum command_kind { COMMAND_SIGNAL = 1, COMMAND_PIDFD = 2, COMMAND_KILL = 3 };

struct command {
	s32 kind, value;
};

/* The order is launch/steps.py's OPS; a test compares the two. */
enum op {
	OP_SYNC = 1,
	OP_SEND,
	OP_PRCTL,
	OP_SETNS,
	OP_UNSHARE,
	OP_HOSTNAME,
	OP_DOMAINNAME,
	OP_LOOPBACK,
	OP_OPEN,
	OP_CLOSE,
	OP_MOUNT_NEW,
	OP_MOUNT,
	OP_OPEN_TREE,
	OP_SET_ATTRIBUTES,
	OP_ATTACH,
	OP_PROPAGATE,
	OP_MKDIR,
	OP_FILE,
	OP_SYMLINK,
	OP_MKNOD,
	OP_WRITE,
	OP_MASK,
	OP_READ_ONLY,
	OP_PIVOT,
	OP_CHROOT,
	OP_CHDIR,
	OP_FORK,
	OP_SETSID,
	OP_PTY,
	OP_CONTROLLING,
	OP_CHOWN,
	OP_FDS,
	OP_RLIMIT,
	OP_UMASK,
	OP_GROUPS,
	OP_GID,
	OP_UID,
	OP_CAPABILITIES,
	OP_LANDLOCK,
	OP_SECCOMP,
	OP_SCHEDULER,
	OP_NICE,
	OP_IOPRIO,
	OP_AFFINITY,
	OP_PERSONALITY,
	OP_KEYRING,
	OP_EXEC,
	OP_STAY,
	OP_CLONE,
	OP_REOPEN,
	OP_END
};

#endif
