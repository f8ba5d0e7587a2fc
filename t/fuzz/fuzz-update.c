/* fuzz-update.c: a worker's update as JSON. */
#include "update.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text text = { (const char *)data, size };
	struct faults faults = { .count = 0 };
	struct update update;
	struct json *json = NULL;
	const char *why = NULL;
	enum err err = json_parse(text, &json, &why);

	MUST(err == ERR_OK || (json == NULL && (err != ERR_INPUT || why != NULL)));
	if (err == ERR_OK) {
		err = message_read_update(json, false, &update, &faults);
		MUST((err == ERR_OK) == (faults.count == 0));
		if (err == ERR_OK)
			must_survive(&update);
	}
	json_free(&json);
	return 0;
}
