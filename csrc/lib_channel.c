/* The caller's end of the channel to init: datagrams, with descriptors riding along. */
#include "isolib.h"
#include "sys.h"

#define AF_UNIX_ 1
#define SOCK_SEQPACKET_ 5
#define SOCK_CLOEXEC_ 02000000

int iso_channel(int ends[2])
{
	return (int)sys(socketpair, AF_UNIX_, SOCK_SEQPACKET_ | SOCK_CLOEXEC_, 0, ends);
}

int iso_send(int fd, const void *data, size_t len, const int *fds, int nfds)
{
	return (int)send_fds(fd, data, len, fds, nfds, 0);
}

/* 1: an event; 0: init is gone and nothing more will come. The channel's end of file alone proves nothing: a fork
 * elsewhere in the caller may hold the other end, so the pidfd is polled beside it. */
int iso_next_event(int channel, int pidfd, struct iso_event *event, int *fds, int max, int *nfds, int timeout_ms)
{
	struct pollfd_ polls[2] = {{channel, POLLIN_, 0}, {pidfd, POLLIN_, 0}};
	struct timespec_ limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
	long got = sys(ppoll, polls, 2, timeout_ms < 0 ? 0 : &limit, 0, 8);

	*nfds = 0;
	if (got < 0)
		return (int)got;
	if (got == 0)
		return -ETIMEDOUT;
	got = recv_fds(channel, event, sizeof(*event), fds, max, nfds, MSG_DONTWAIT_);
	if (got == -EAGAIN)
		return polls[1].revents ? 0 : -EAGAIN;
	if (got == -ECONNRESET)
		return 0;
	if (got <= 0)
		return (int)got;
	return got == sizeof(*event) ? 1 : -EPROTO;
}
