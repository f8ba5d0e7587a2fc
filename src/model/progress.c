/* progress.c: the rules of the contract's section 3. */
#include "model/progress.h"

static const char *const outcomes[] = {
	[OUTCOME_RUNNING] = "running",
	[OUTCOME_PROCESSED] = "processed",
	[OUTCOME_FAILED] = "failed",
};

const char *
outcome_name(enum outcome outcome)
{
	return outcomes[outcome];
}

enum err
outcome_parse(struct text t, enum outcome *out)
{
	for (size_t i = 0; i < countof(outcomes); i++) {
		if (text_is(t, outcomes[i])) {
			*out = (enum outcome)i;
			return ERR_OK;
		}
	}
	return ERR_INPUT;
}

/* Does the update begin a run where nothing came before it, or where what came before has ended? */
static bool
begins_run(const struct stage *stage, const struct progress *current, const struct update *update)
{
	if (current == NULL || update->restart)
		return true;
	switch (current->outcome) {
	case OUTCOME_FAILED:
		return true;
	case OUTCOME_PROCESSED:
		return stage->rank == 0;
	case OUTCOME_RUNNING:
		break;
	}
	return false;
}

/* What a left-out progress stands for, or PROGRESS_NONE. */
static int
fallback(const struct stage *stage, const struct progress *current, bool new_run)
{
	if (stage->fallback != PROGRESS_NONE)
		return stage->fallback;
	if (stage->outcome != OUTCOME_FAILED)
		return PROGRESS_NONE;
	return current != NULL && !new_run ? current->progress : stage->min;
}

static void
judge_progress(const struct stage *stage, int64_t progress, struct faults *faults)
{
	struct text member = text_of("progress");

	if (progress == PROGRESS_NONE)
		faults_add(faults, member, "is required for status %.*s", TEXT_ARG(stage->name));
	else if (progress >= stage->min && progress <= stage->max)
		return;
	else if (stage->min == stage->max)
		faults_add(faults, member, "must be %d for status %.*s", stage->min,
		    TEXT_ARG(stage->name));
	else
		faults_add(faults, member, "must be from %d to %d for status %.*s", stage->min,
		    stage->max, TEXT_ARG(stage->name));
}

static void
judge_error(const struct stage *stage, struct text error, struct faults *faults)
{
	bool given = error.s != NULL && error.len > 0;

	if (stage->outcome == OUTCOME_FAILED && !given)
		faults_add(faults, text_of("error"), "is required for status %.*s",
		    TEXT_ARG(stage->name));
	else if (stage->outcome != OUTCOME_FAILED && error.s != NULL)
		faults_add(faults, text_of("error"), "is only for a status that ends in failure");
}

/*
 * Is it the very update that is current, sent again? With restart only if that update began its
 * run: else a second run of the same beginning is meant. Where a failure left its progress out, the
 * run's last one was meant; sent again it means no other, though the run has ended since.
 */
static bool
is_retry(const struct update *update, const struct progress *next, const struct progress *current)
{
	bool last_meant = update->progress == PROGRESS_NONE && next->outcome == OUTCOME_FAILED &&
	    !update->restart;

	return current != NULL && text_equal(next->status, current->status) &&
	    (last_meant || next->progress == current->progress) &&
	    text_equal(next->message, current->message) &&
	    text_equal(next->error, current->error) && next->eta == current->eta &&
	    (!update->restart || current->run == current->revision);
}

static const char *
why_conflict(const struct progress *next, const struct progress *current)
{
	if (current->outcome != OUTCOME_RUNNING)
		return "the run has ended; only the first status or restart=true begins a new one";
	if (next->outcome == OUTCOME_FAILED)
		return NULL;
	if (next->rank < current->rank)
		return "the status would go back";
	if (next->progress < current->progress)
		return "the progress would go back";
	return NULL;
}

enum decision
progress_decide(const struct stage *stage, const struct progress *current,
    const struct update *update, int64_t now, struct progress *next, struct faults *faults,
    const char **why)
{
	bool new_run = begins_run(stage, current, update);
	int64_t progress = update->progress != PROGRESS_NONE ? update->progress :
	    fallback(stage, current, new_run);

	judge_progress(stage, progress, faults);
	judge_error(stage, update->error, faults);
	if (faults->count > 0)
		return DECISION_INVALID;
	*next = (struct progress){
		.run = new_run ? 0 : current->run,
		.session = update->session,
		.status = stage->name,
		.rank = stage->rank,
		.outcome = stage->outcome,
		.progress = (int)progress,
		.message = update->message.s != NULL ? update->message : stage->message,
		.error = update->error,
		.eta = update->eta,
		.updated_at = now,
		.created_at = new_run ? now : current->created_at,
	};
	if (is_retry(update, next, current))
		return DECISION_SAME;
	if (new_run)
		return DECISION_STORE;
	*why = why_conflict(next, current);
	return *why != NULL ? DECISION_CONFLICT : DECISION_STORE;
}
