/* report.h: one update on its way through the group commit, as progress.c and batch.c send it. */
#ifndef API_REPORT_H
#define API_REPORT_H

#include "api/app.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/progress.h"

struct report {
	struct update update; /* in; its texts must live until the report is done */
	enum err err;         /* out: ERR_ABSENT (no such session) or ERR_OK */
	enum decision decision;
	struct faults faults; /* DECISION_INVALID */
	const char *why;      /* DECISION_CONFLICT */
	struct buf message;   /* the stored or current update as JSON; the caller frees it */
};

void report_init(struct report *report);
void report_fini(struct report *report);

/* Inside a transaction; a commit_fn's piece. Errors that report_apply returns end the transaction;
 * everything else is in the report. */
enum err report_apply(struct report *report, struct store *store) MUST_USE;

/* Counts so many updates of known sessions by what was decided, once that is durable. */
void report_count(struct app *app, enum decision decision, unsigned count);

#endif
