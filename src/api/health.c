/* health.c: does the process turn, can it serve, and what did it count. */
#include "api/handlers.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "store/event.h"
#include "store/replica.h"

#define STUCK_MS 10000 /* a transaction that runs for longer hangs */

static void
answer_text(struct call *call, int status)
{
	call->reply->status = status;
	call->reply->content_type = "text/plain; charset=utf-8";
}

void
health_healthz(struct call *call)
{
	answer_text(call, 200);
	buf_puts(&call->reply->body, "ok\n");
}

/* What keeps this process from serving; NULL: nothing. */
static const char *
why_not_ready(struct worker *worker)
{
	struct commit_stats stats;
	int64_t revision;

	if (store_event_revision(worker->store, &revision) != ERR_OK)
		return "the database can't be read";
	commit_stats(worker->app->commit, &stats);
	if (stats.upkeep.wal_full)
		return "the write-ahead log is over wal_max: a reader keeps it";
	return stats.running_ms > STUCK_MS ? "a transaction hangs" : NULL;
}

void
health_readyz(struct call *call)
{
	const char *why = why_not_ready(call->worker);

	answer_text(call, why == NULL ? 200 : 503);
	store_write_ready(call->worker->store, why, clock_wall(), &call->reply->body);
}

struct labelled {
	enum app_counter counter;
	const char *value;
};

static void
family(struct call *call, const char *name, const char *help, const char *label,
    const struct labelled *rows, size_t count)
{
	metrics_head(&call->reply->body, name, "counter", help);
	for (size_t i = 0; i < count; i++)
		metrics_labelled(&call->reply->body, name, label, text_of(rows[i].value),
		    atomic_load(&call->worker->app->counters[rows[i].counter]));
}

/* Causes that a token can fail for, and those that come before and after it. */
static void
write_auth_failures(struct call *call)
{
	static const char name[] = "milepost_api_auth_failures_total";
	struct buf *out = &call->reply->body;
	atomic_ullong *counters = call->worker->app->counters;

	metrics_head(out, name, "counter", "Failed authentications by cause.");
	metrics_labelled(out, name, "cause", text_of("missing"), counters[COUNT_AUTH_MISSING]);
	metrics_labelled(out, name, "cause", text_of("key"), counters[COUNT_AUTH_KEY]);
	metrics_labelled(out, name, "cause", text_of("user"), counters[COUNT_AUTH_USER]);
	for (int i = TOKEN_OK + 1; i <= TOKEN_FAULT; i++)
		metrics_labelled(out, name, "cause", text_of(token_cause_name((enum token_cause)i)),
		    counters[COUNT_AUTH_TOKEN + i]);
}

static void
write_commits(struct buf *out, const struct commit_stats *stats, uint64_t wal_bytes)
{
	static const char name[] = "milepost_api_checkpoints_total";

	metrics_single(out, "milepost_api_commit_requests_total", "counter", "Requests that wrote.",
	    stats->requests);
	metrics_single(out, "milepost_api_commit_failures_total", "counter",
	    "Transactions that failed.", stats->failures);
	histogram_write(&stats->times, "milepost_api_commit_seconds",
	    "Transactions, by how long they took.", out);
	metrics_head(out, name, "counter", "Checkpoints of the write-ahead log, by result.");
	metrics_labelled(out, name, "result", text_of("whole"), stats->upkeep.checkpoints_whole);
	metrics_labelled(out, name, "result", text_of("part"), stats->upkeep.checkpoints_part);
	metrics_labelled(out, name, "result", text_of("busy"), stats->upkeep.checkpoints_busy);
	metrics_labelled(out, name, "result", text_of("failed"), stats->upkeep.checkpoints_failed);
	metrics_single(out, "milepost_api_wal_refusals_total", "counter",
	    "Transactions that were not tried because the write-ahead log is over wal_max.",
	    stats->wal_refusals);
	metrics_single(out, "milepost_api_wal_used_bytes", "gauge",
	    "The part of the write-ahead log that is in use.", (uint64_t)stats->upkeep.wal_used);
	metrics_single(out, "milepost_api_wal_bytes", "gauge",
	    "Size of the write-ahead log's file.", wal_bytes);
}

void
health_metrics(struct call *call)
{
	static const struct labelled decisions[] = {
		{ COUNT_STORED, "stored" }, { COUNT_SAME, "same" },
		{ COUNT_CONFLICT, "conflict" }, { COUNT_INVALID, "invalid" },
	};
	static const struct labelled logins[] = {
		{ COUNT_LOGINS, "granted" }, { COUNT_LOGIN_FAILURES, "refused" },
	};
	static const struct labelled statuses[] = {
		{ (enum app_counter)(COUNT_STATUS + 2), "2xx" },
		{ (enum app_counter)(COUNT_STATUS + 3), "3xx" },
		{ (enum app_counter)(COUNT_STATUS + 4), "4xx" },
		{ (enum app_counter)(COUNT_STATUS + 5), "5xx" },
	};
	struct commit_stats stats;

	commit_stats(call->worker->app->commit, &stats);
	answer_text(call, 200);
	call->reply->content_type = "text/plain; version=0.0.4";
	family(call, "milepost_api_requests_total", "Requests by status.", "status", statuses,
	    countof(statuses));
	family(call, "milepost_api_updates_total", "Updates by what was decided.", "decision",
	    decisions, countof(decisions));
	write_auth_failures(call);
	family(call, "milepost_api_logins_total", "Logins by outcome.", "outcome", logins,
	    countof(logins));
	write_commits(&call->reply->body, &stats, (uint64_t)store_wal_bytes(call->worker->store));
}
