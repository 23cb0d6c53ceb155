/* Mutated Plans against the border check, under ASan and UBSan: a buffer that it lets through has all its bytes inside.
 * Arguments: a file that holds a Plan, a seed, how many rounds. Prints how many were refused and let through. */
#include "init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static u64 state;

static u32 next(void)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(state >> 33);
}

/* Bytes turned, integers replaced by what sits at their limits, the end cut off. */
static size_t mutate(char *buffer, size_t size)
{
	static const u32 odd[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 64, 65535, 65536};

	for (u32 n = next() % 6; n--;) {
		size_t at = next() % size;

		if (next() % 2)
			buffer[at] ^= (char)(1 << next() % 8);
		else if (at + 4 <= size)
			memcpy(buffer + at, &odd[next() % 8], 4);
	}
	return next() % 8 ? size : next() % (size + 1);
}

static unsigned long touch(struct machine *m)
{
	unsigned long sum = 0;

	for (u32 i = 0; i < m->head->steps; i++)
		for (int k = 0; k < 2; k++) {
			const struct wire_bytes *bytes = &m->steps[i].s[k];

			sum += strlen(text(m, &m->steps[i], k));
			for (u32 n = 0; n <= bytes->len; n++)
				sum += (unsigned char)m->buffer[bytes->at + n];
		}
	return sum;
}

int main(int argc, char **argv)
{
	static char plan[1 << 20];
	FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
	size_t size = file ? fread(plan, 1, sizeof(plan), file) : 0;
	unsigned long refused = 0, taken = 0, sum = 0;

	if (!size)
		return 2;
	state = strtoull(argv[2], NULL, 10);
	for (long rounds = atol(argv[3]); rounds--;) {
		static struct machine m;
		char *copy = malloc(size);
		char *exact;
		size_t cut;

		memcpy(copy, plan, size);
		cut = mutate(copy, size);
		exact = malloc(cut ? cut : 1); /* not a byte more: what is read past it is seen */
		memcpy(exact, copy, cut);
		if (plan_check(&m, exact, cut) == 0) {
			taken++;
			sum += touch(&m);
		} else {
			refused++;
		}
		free(copy);
		free(exact);
	}
	printf("%lu refused, %lu taken, %lu\n", refused, taken, sum);
	return 0;
}
