/* fuzz-form.c: a worker's update as a form. */
#include "update.h"

#include "wire/form.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	struct faults faults = { .count = 0 };
	struct update update;
	struct form form;

	MUST(copy != NULL);
	memcpy(copy, data, size);
	if (form_parse(copy, size, &form) == ERR_OK) {
		enum err err = message_read_update_form(&form, &update, &faults);

		MUST((err == ERR_OK) == (faults.count == 0));
		if (err == ERR_OK)
			must_survive(&update);
	}
	free(copy);
	return 0;
}
