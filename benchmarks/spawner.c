/* Times starts of another program: stdin empty, output captured by pipes, waited for. For each line "N" on stdin, N
 * starts of argv[1…], and a line with the nanoseconds of each. Without arguments it is the least of all programs.
 * Static, so that it also runs in a tree of another distribution. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* Until both pipes have ended; the first bytes of stderr are kept, for a start that fails. */
static void carry(int out, int err, char *said, size_t size)
{
	struct pollfd polls[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
	char chunk[65536];

	*said = 0;
	while (polls[0].fd >= 0 || polls[1].fd >= 0) {
		poll(polls, 2, -1);
		for (int i = 0; i < 2; i++) {
			ssize_t n = polls[i].revents ? read(polls[i].fd, chunk, sizeof(chunk)) : 1;

			if (n <= 0)
				close(polls[i].fd), polls[i].fd = -1;
			else if (i == 1 && polls[i].revents && strlen(said) + (size_t)n < size)
				strncat(said, chunk, (size_t)n);
		}
	}
}

static void start(char **argv)
{
	posix_spawn_file_actions_t actions;
	int out[2], err[2], status;
	char said[2000];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		exit(2);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	if (posix_spawnp(&pid, argv[0], &actions, 0, argv, environ)) {
		fprintf(stderr, "spawner: %s cannot be executed\n", argv[0]);
		exit(2);
	}
	close(out[1]);
	close(err[1]);
	carry(out[0], err[0], said, sizeof(said));
	waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	if (status) {
		fprintf(stderr, "spawner: %s failed (%#x): %s\n", argv[0], status, said);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	char line[32];

	while (argc > 1 && fgets(line, sizeof(line), stdin)) {
		for (int left = atoi(line); left > 0; left--) {
			long before = nanoseconds();

			start(argv + 1);
			printf("%ld ", nanoseconds() - before);
		}
		puts("");
		fflush(stdout);
	}
	return 0;
}
