/* report.c: deciding about an update inside the transaction, and keeping the answer. */
#include "api/report.h"

#include "api/reply.h"
#include "base/clock.h"
#include "store/event.h"
#include "wire/message.h"

void
report_init(struct report *report)
{
	*report = (struct report){ .err = ERR_OK };
	buf_init(&report->message, MESSAGE_MAX);
}

void
report_fini(struct report *report)
{
	buf_fini(&report->message);
}

enum err
report_apply(struct report *report, struct store *store)
{
	struct progress result;
	enum err err;

	buf_reset(&report->message);
	report->faults.count = 0;
	err = store_report(store, &report->update, clock_wall(), &report->decision, &result,
	    &report->faults, &report->why);
	if (reply_is_failure(err))
		return err;
	report->err = err;
	/* The texts are valid only now. */
	if (err == ERR_OK && report->decision != DECISION_INVALID)
		message_write_progress(&report->message, &result, false);
	return report->message.err == ERR_NOMEM ? ERR_NOMEM : ERR_OK;
}

void
report_count(struct app *app, enum decision decision, unsigned count)
{
	static const enum app_counter counters[] = {
		[DECISION_STORE] = COUNT_STORED,
		[DECISION_SAME] = COUNT_SAME,
		[DECISION_CONFLICT] = COUNT_CONFLICT,
		[DECISION_INVALID] = COUNT_INVALID,
	};

	app_count_more(app, counters[decision], count);
}
