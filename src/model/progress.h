/*
 * progress.h: what a session's progress is, and which update may follow which (contract section 3).
 *
 * A session's progress is a series of runs; a run is a series of updates whose stage and progress
 * never go back, ended by an update of an ending stage. Stages are rows of the database's table, so
 * an installation can add its own; the rules here know them by rank, bounds and outcome only.
 */
#ifndef MODEL_PROGRESS_H
#define MODEL_PROGRESS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "model/faults.h"
#include "model/id.h"

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_STATUS_MAX 64    /* bytes */
#define PROGRESS_MESSAGE_MAX 1024 /* bytes; keeps a frame below 16 KiB even if all is escaped */
#define PROGRESS_ERROR_MAX 1024   /* bytes */
#define PROGRESS_ETA_MAX 2147483647
#define PROGRESS_ETA_NONE (-1)
#define PROGRESS_NONE (-1)

enum outcome { OUTCOME_RUNNING, OUTCOME_PROCESSED, OUTCOME_FAILED };

/* The stage's name in the contract's close reasons and in the database: "running", ... */
const char *outcome_name(enum outcome outcome);
enum err outcome_parse(struct text t, enum outcome *out) MUST_USE;

/* A row of the table of stages. The texts are borrowed from whoever filled it in. */
struct stage {
	struct text name;
	int rank;     /* the order within a run, 0 the first; OUTCOME_FAILED may follow any */
	int min, max; /* bounds of progress, 0 to 100 */
	int fallback; /* progress if left out; PROGRESS_NONE: it may not be (failed: the last) */
	enum outcome outcome;
	struct text message; /* default */
};

/* One stored update. The texts are borrowed from whoever filled it in. */
struct progress {
	int64_t revision; /* grows over the whole database */
	int64_t run;      /* the revision of the run's first update */
	struct id session;
	struct text status;
	int rank;
	enum outcome outcome;
	int progress;
	struct text message;
	struct text error; /* absent unless the outcome is failed */
	int64_t eta;       /* seconds, or PROGRESS_ETA_NONE */
	int64_t updated_at;
	int64_t created_at; /* when the run began */
	int64_t stored_ms;  /* milliseconds since 1970; 0: not known */
};

/* What a worker sent, after its form was checked. Borrowed texts; absent means left out. */
struct update {
	struct id session;
	struct text status;
	int64_t progress; /* or PROGRESS_NONE */
	struct text message;
	struct text error;
	int64_t eta; /* or PROGRESS_ETA_NONE */
	bool restart;
};

enum decision {
	DECISION_STORE,    /* *next is the update to store */
	DECISION_SAME,     /* equal to the current one in every member: nothing to store */
	DECISION_CONFLICT, /* 409: *why says, in one sentence, what it contradicts */
	DECISION_INVALID,  /* 422: faults say which members */
};

/*
 * Decides what an update does to a session. current is NULL if there is none yet; stage is the row
 * whose name is update->status. On DECISION_STORE, *next is complete but for revision, and for run
 * where a new run begins: then next->run is 0 and created_at is now. Its texts are borrowed from
 * update and stage.
 *
 * Order of the rules: members by themselves (422), the blind retry (same), a new run or not, then
 * no way back (409). A failed update may carry any progress, lower ones included.
 */
enum decision progress_decide(const struct stage *stage, const struct progress *current,
    const struct update *update, int64_t now, struct progress *next, struct faults *faults,
    const char **why);

#endif
