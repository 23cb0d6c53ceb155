/* Steps that only ever take rights away: capabilities, Landlock, seccomp. */
#include "init.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

static long drop_bounding(u64 keep)
{
	for (long cap = 0; cap < 64; cap++) {
		long ret = keep >> cap & 1 ? 0 : sys(prctl, PR_CAPBSET_DROP, cap);

		if (ret == -EPERM) /* no CAP_SETPCAP: fine for one that is not there */
			ret = sys(prctl, PR_CAPBSET_READ, cap) == 1 ? ret : 0;
		if (ret == -EINVAL) /* past the last capability of this kernel */
			break;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static long raise_ambient(u64 ambient)
{
	long ret = sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

	for (long cap = 0; cap < 64 && ret >= 0; cap++)
		if (ambient >> cap & 1)
			ret = sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
	return ret;
}

/* Capabilities n = bounding, permitted, effective, inheritable, ambient, as masks (capabilities(7)) */
long do_capabilities(struct machine *m, const struct wire_step *s)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];
	long ret;

	(void)m;
	/* A change of uid left them permitted only; dropping from the bounding set needs CAP_SETPCAP in effect. */
	ret = sys(capget, &head, sets);
	for (int half = 0; half < 2; half++)
		sets[half].effective = sets[half].permitted;
	if (ret == 0)
		ret = sys(capset, &head, sets);
	if (ret == 0)
		ret = drop_bounding((u64)s->n[0]);
	for (int half = 0; half < 2; half++) {
		sets[half].permitted = (u32)((u64)s->n[1] >> 32 * half);
		sets[half].effective = (u32)((u64)s->n[2] >> 32 * half);
		sets[half].inheritable = (u32)((u64)s->n[3] >> 32 * half);
	}
	if (ret == 0)
		ret = sys(capset, &head, sets);
	return ret < 0 ? ret : raise_ambient((u64)s->n[4]);
}

/* What Linux 5.13 to 6.12 made of struct landlock_ruleset_attr; n[3] of the step says how much of it this kernel knows.
 */
struct ruleset {
	u64 fs, net, scoped;
};

/* A rule: access, then the register of the path or the port. */
struct rule {
	u64 access;
	s32 reg, port;
};

struct path_beneath {
	u64 access;
	s32 fd;
} __attribute__((packed));

struct net_port {
	u64 access, port;
};

static long add_rule(struct machine *m, long ruleset, const struct rule *rule, u64 on_a_file)
{
	int fd = reg(m, rule->reg);
	struct path_beneath path = {type_of(fd) == IFDIR_ ? rule->access : rule->access & on_a_file, fd};
	struct net_port net = {rule->access, (u64)rule->port};

	if (rule->reg != REG_NONE)
		return sys(landlock_add_rule, ruleset, 1 /* PATH_BENEATH */, &path, 0);
	return sys(landlock_add_rule, ruleset, 2 /* NET_PORT */, &net, 0);
}

/* Landlock n = fs, net, scoped accesses handled, size of the attribute, what a file that is no directory takes;
 * s[0]=rules (landlock(7)) */
long do_landlock(struct machine *m, const struct wire_step *s)
{
	struct ruleset attr = {(u64)s->n[0], (u64)s->n[1], (u64)s->n[2]};
	const struct rule *rules = (const struct rule *)text(m, s, 0);
	size_t count = s->s[0].len / sizeof(*rules);
	long ruleset, ret = 0;

	if (s->n[3] < 8 || s->n[3] > (s64)sizeof(attr))
		return -EBADMSG;
	ruleset = sys(landlock_create_ruleset, &attr, s->n[3], 0);
	if (ruleset < 0)
		return ruleset;
	for (size_t i = 0; i < count && ret == 0; i++)
		ret = add_rule(m, ruleset, &rules[i], (u64)s->n[4]);
	if (ret == 0)
		ret = sys(landlock_restrict_self, ruleset, 0);
	sys(close, ruleset);
	return ret;
}

/* Seccomp n[0]=flags; s[0]=struct sock_filter[]. With a listener flag its descriptor goes to the caller (seccomp(2)).
 */
long do_seccomp(struct machine *m, const struct wire_step *s)
{
	struct sock_fprog program = {.len = (unsigned short)(s->s[0].len / 8), .filter = (void *)text(m, s, 0)};
	struct iso_event event = {.kind = EVENT_FD};
	long ret = sys(seccomp, SECCOMP_SET_MODE_FILTER, s->n[0], &program);
	int fd = (int)ret;

	if (ret < 0 || !(s->n[0] & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return ret < 0 ? ret : 0;
	report_event(m, &event, &fd, 1);
	return sys(close, fd);
}
