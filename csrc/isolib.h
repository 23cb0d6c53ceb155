/* The C interface of isolib: every function returns a value >= 0 or -errno, borrows its arguments for the one call,
 * allocates nothing and keeps nothing. What stands below the mark is also the text that cffi reads. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* ---- cffi ---- */

#define ISO_STAMP 1

/* What init tells its caller, one datagram each; see wire.h for the kinds. Times in microseconds, maxrss in KiB. */
struct iso_event {
	uint32_t kind;
	int32_t step;
	int32_t value;
	int32_t detail;
	uint64_t utime, stime, maxrss, minflt, majflt, inblock, oublock, nvcsw, nivcsw;
};

int iso_stamp(void);

/* spawn: clone3, raise ambient capabilities where a user namespace was made, exec init. Returns the pid. */
int iso_spawn(uint64_t flags, int init_fd, int plan_fd, const int *fds, int nfds, int *pidfd);
int iso_channel(int ends[2]);
int iso_send(int fd, const void *data, size_t len, const int *fds, int nfds);
int iso_next_event(int channel, int pidfd, struct iso_event *event, int *fds, int max, int *nfds, int timeout_ms);

/* mount */
int iso_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int iso_open_tree(int dir, const char *path, unsigned flags);
int iso_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags);
int iso_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
		      int userns);
int iso_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int iso_umount2(const char *target, int flags);

/* ns */
int iso_setns(int fd, int kind);
int iso_unshare(uint64_t flags);
int iso_ns_kind(int fd);
int iso_ns_owner(int fd);
int iso_ns_parent(int fd);
int iso_ns_owner_uid(int fd, uint32_t *uid);

/* cgroup: one write of a file */
int iso_write_file(int dir, const char *path, const void *text, size_t len);

/* bpf: programs of a cgroup, by type of program and of attachment */
int iso_bpf_load(unsigned type, const void *insns, unsigned count);
int iso_bpf_attach(int group, int program, unsigned type);
int iso_bpf_detach(int group, int program, unsigned type);
int iso_bpf_attached(int group, unsigned type, uint32_t *ids, unsigned max);
int iso_bpf_by_id(uint32_t id);

/* landlock */
int iso_landlock_abi(void);
