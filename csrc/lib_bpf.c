/* Programs that decide about the devices of a cgroup (bpf(2); BPF_PROG_TYPE_CGROUP_DEVICE since Linux 4.15). */
#include "isolib.h"
#include "sys.h"

#include <linux/bpf.h>

int iso_bpf_load(unsigned type, const void *insns, unsigned count)
{
	union bpf_attr attr = {.prog_type = type};

	attr.insns = (u64)(uintptr_t)insns;
	attr.insn_cnt = count;
	attr.license = (u64)(uintptr_t)"Apache-2.0"; /* no helper that asks for the GPL is called */
	return (int)sys(bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int bpf_attachment(int command, int group, int program, unsigned type, unsigned flags)
{
	union bpf_attr attr = {.target_fd = (u32)group};

	attr.attach_bpf_fd = (u32)program;
	attr.attach_type = type;
	attr.attach_flags = flags;
	return (int)sys(bpf, command, &attr, sizeof(attr));
}

int iso_bpf_attach(int group, int program, unsigned type)
{
	return bpf_attachment(BPF_PROG_ATTACH, group, program, type, BPF_F_ALLOW_MULTI);
}

int iso_bpf_detach(int group, int program, unsigned type)
{
	return bpf_attachment(BPF_PROG_DETACH, group, program, type, 0);
}

int iso_bpf_attached(int group, unsigned type, uint32_t *ids, unsigned max)
{
	union bpf_attr attr = {.query.target_fd = (u32)group};

	attr.query.attach_type = type;
	attr.query.prog_ids = (u64)(uintptr_t)ids;
	attr.query.prog_cnt = max;
	int rc = (int)sys(bpf, BPF_PROG_QUERY, &attr, sizeof(attr));
	return rc < 0 ? rc : (int)attr.query.prog_cnt;
}

int iso_bpf_by_id(uint32_t id)
{
	union bpf_attr attr = {.prog_id = id};

	return (int)sys(bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
}
