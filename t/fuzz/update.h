/* update.h: an update that was taken must be judged and written as a message that is JSON again. */
#ifndef FUZZ_UPDATE_H
#define FUZZ_UPDATE_H

#include "fuzz.h"

#include "wire/json.h"
#include "wire/message.h"

#include <string.h>

/* Writes a progress of the update's texts, reads it back and compares. */
static inline void
must_survive(const struct update *update)
{
	struct buf out = BUF_INIT(MESSAGE_MAX);
	struct progress progress = { .status = update->status, .message = update->message,
		.error = update->error, .updated_at = 1, .created_at = 1 };
	struct json *json = NULL;
	const char *why;

	if (progress.message.s == NULL)
		progress.message = text_of("x");
	message_write_progress(&out, &progress, true);
	MUST(out.err == ERR_OK);
	MUST(json_parse(buf_view(&out), &json, &why) == ERR_OK);
	MUST(text_equal(json_string(json, "message"), progress.message));
	MUST(text_equal(json_string(json, "status"), progress.status));
	json_free(&json);
	buf_fini(&out);
}

#endif
