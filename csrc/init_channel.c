/* init's end of the channel: events go up, answers come down, and the caller's death is noticed while waiting. */
#include "init.h"

void report_event(struct machine *m, struct iso_event *event, const int *fds, int nfds)
{
	event->step = m->at;
	send_fds(m->registers[REG_CHANNEL], event, sizeof(*event), fds, nfds, 0);
}

void report(struct machine *m, enum event_kind kind, int value, int detail)
{
	struct iso_event event = {.kind = kind, .value = value, .detail = detail};

	report_event(m, &event, 0, 0);
}

/* Sync n[0]=first register, n[1]=how many descriptors the answer brings. The caller's half has the same name. */
long do_sync(struct machine *m, const struct wire_step *s)
{
	struct pollfd_ polls[2] = {{m->registers[REG_CHANNEL], POLLIN_, 0}, {m->registers[REG_CALLER], POLLIN_, 0}};
	int fds[MESSAGE_FDS], nfds = 0;
	s32 answer = 0;
	long got;

	report(m, EVENT_SYNC, 0, 0);
	do
		got = sys(ppoll, polls, 2, 0, 0, 8);
	while (got == -EINTR);
	if (polls[1].revents)
		sys(exit_group, 125);
	got = recv_fds(polls[0].fd, &answer, sizeof(answer), fds, MESSAGE_FDS, &nfds, 0);
	if (got != sizeof(answer))
		sys(exit_group, 125);
	if (answer < 0 || nfds != s->n[1])
		return answer < 0 ? answer : -EBADMSG;
	for (int i = 0; i < nfds; i++)
		if ((got = set_reg(m, s->n[0] + i, fds[i])) < 0)
			return got;
	return 0;
}

/* Send n[0]=register: the descriptor becomes the caller's too. */
long do_send(struct machine *m, const struct wire_step *s)
{
	struct iso_event event = {.kind = EVENT_FD};
	int fd = reg(m, s->n[0]);

	if (fd < 0)
		return -EBADF;
	report_event(m, &event, &fd, 1);
	return 0;
}
