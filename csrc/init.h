/* What the files of init share: the machine that walks a Plan. */
#ifndef ISO_INIT_H
#define ISO_INIT_H

#include "isolib.h"
#include "sys.h"
#include "wire.h"

struct machine {
	const char *buffer;
	const struct wire_head *head;
	const struct wire_step *steps;
	int at;				   /* the step that runs */
	int registers[WIRE_REGISTERS];	   /* descriptors, -1 where empty */
	int fds[MESSAGE_FDS], nfds, asked; /* what came with the answer to a Sync */
};

typedef long step_function(struct machine *, const struct wire_step *);

/* init_plan.c: 0, or -errno where the buffer is not a Plan. */
long plan_check(struct machine *m, const char *buffer, size_t size);

/* init_steps.c */
extern step_function *const OPS[OP_END];

/* The bytes of field i, NUL-terminated; the descriptor that n[i] names. */
static inline const char *text(struct machine *m, const struct wire_step *s, int i)
{
	return m->buffer + s->s[i].at;
}

static inline int reg(struct machine *m, s64 n)
{
	return n == REG_HOST ? AT_FDCWD : n >= 0 && n < WIRE_REGISTERS ? m->registers[n] : -1;
}

long set_reg(struct machine *m, s64 n, long fd);

/* Inside a root that the payload may own: no link leads out of it, none of /proc's magic ones is followed (openat2(2)).
 */
long open_inside(int root, const char *path, u64 flags);
long open_made(int root, const char *path, int is_dir, int mode);

/* init_mounts.c */
#define IFMT_ 0170000
#define IFDIR_ 0040000
long type_of(int fd); /* the S_IFMT bits, or -errno */
step_function do_reopen, do_mount_new, do_mount, do_open_tree, do_set_attributes, do_attach, do_propagate, do_mask,
	do_read_only, do_pivot, do_chroot;
/* init_files.c */
step_function do_open, do_close, do_mkdir, do_file, do_symlink, do_mknod, do_write, do_chdir, do_chown;
/* init_process.c */
step_function do_prctl, do_setns, do_unshare, do_clone, do_hostname, do_domainname, do_loopback, do_setsid, do_pty,
	do_controlling, do_fds, do_rlimit, do_umask, do_groups, do_gid, do_uid, do_scheduler, do_nice, do_ioprio,
	do_affinity, do_personality, do_keyring, do_exec;
/* init_security.c */
step_function do_capabilities, do_landlock, do_seccomp;
/* init_channel.c */
step_function do_sync, do_send;
void report(struct machine *m, enum event_kind kind, int value, int detail);
void report_event(struct machine *m, struct iso_event *event, const int *fds, int nfds);
/* init_pid1.c */
step_function do_fork, do_stay;

void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);
size_t strlen(const char *s);

#endif
