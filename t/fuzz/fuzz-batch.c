/* fuzz-batch.c: a batch: its lines, and the update of each; every problem is a JSON object. */
#include "update.h"

#include "wire/ndjson.h"

static void
must_be_answerable(const struct faults *faults)
{
	struct buf out = BUF_INIT(1 << 16);
	struct json *json = NULL;
	const char *why;

	message_write_problem(&out, 422, "Unprocessable Content", text_of("x"), faults, text_of(NULL));
	MUST(out.err == ERR_OK && json_parse(buf_view(&out), &json, &why) == ERR_OK);
	MUST(memchr(out.data, '\n', out.len) == NULL);
	json_free(&json);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text rest = { (const char *)data, size }, line;
	const char *end = rest.s + size;

	while (ndjson_next(&rest, &line)) {
		struct faults faults = { .count = 0 };
		struct update update;
		struct json *json = NULL;
		const char *why;

		MUST(line.len > 0 && line.s + line.len <= end && memchr(line.s, '\n', line.len) == NULL);
		MUST(rest.s + rest.len == end);
		if (json_parse(line, &json, &why) != ERR_OK)
			continue;
		if (message_read_update(json, true, &update, &faults) == ERR_OK)
			must_survive(&update);
		else
			must_be_answerable(&faults);
		json_free(&json);
	}
	return 0;
}
