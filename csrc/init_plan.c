/* The border: nothing of a Plan is used before every offset and length of it was checked here. */
#include "init.h"

static int inside(const struct wire_bytes *bytes, u32 size)
{
	return bytes->at <= size && bytes->len < size - bytes->at;
}

long plan_check(struct machine *m, const char *buffer, size_t size)
{
	const struct wire_head *head = (const struct wire_head *)buffer;
	const struct wire_step *steps = (const struct wire_step *)(buffer + sizeof(*head));

	if (size < sizeof(*head) || head->magic != WIRE_MAGIC || head->size != size || head->slots > WIRE_REGISTERS)
		return -EBADMSG;
	if (head->steps > WIRE_STEPS || head->steps > (size - sizeof(*head)) / sizeof(*steps))
		return -EBADMSG;
	for (u32 i = 0; i < head->steps; i++) {
		if (steps[i].op == 0 || steps[i].op >= OP_END || !OPS[steps[i].op])
			return -EBADMSG;
		for (int k = 0; k < 2; k++) {
			const struct wire_bytes *bytes = &steps[i].s[k];

			if (bytes->at % 8 || !inside(bytes, (u32)size) || buffer[bytes->at + bytes->len])
				return -EBADMSG;
		}
	}
	m->buffer = buffer;
	m->head = head;
	m->steps = steps;
	return 0;
}
