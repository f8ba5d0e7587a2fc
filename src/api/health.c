/* health.c: does the process turn, can it serve, and what did it count. */
#include "api/handlers.h"
#include "store/event.h"

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
	return stats.running_ms > STUCK_MS ? "a transaction hangs" : NULL;
}

void
health_readyz(struct call *call)
{
	const char *why = why_not_ready(call->worker);

	answer_text(call, why == NULL ? 200 : 503);
	if (why == NULL)
		buf_puts(&call->reply->body, "ready\n");
	else
		buf_printf(&call->reply->body, "not ready: %s\n", why);
}

static void
head(struct buf *out, const char *name, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
}

struct labelled {
	enum app_counter counter;
	const char *value;
};

static void
family(struct call *call, const char *name, const char *help, const char *label,
    const struct labelled *rows, size_t count)
{
	head(&call->reply->body, name, help);
	for (size_t i = 0; i < count; i++)
		buf_printf(&call->reply->body, "%s{%s=\"%s\"} %llu\n", name, label, rows[i].value,
		    (unsigned long long)atomic_load(
		        &call->worker->app->counters[rows[i].counter]));
}

static void
single(struct call *call, const char *name, const char *help, uint64_t value)
{
	head(&call->reply->body, name, help);
	buf_printf(&call->reply->body, "%s %llu\n", name, (unsigned long long)value);
}

void
health_metrics(struct call *call)
{
	static const struct labelled decisions[] = {
		{ COUNT_STORED, "stored" }, { COUNT_SAME, "same" },
		{ COUNT_CONFLICT, "conflict" }, { COUNT_INVALID, "invalid" },
	};
	static const struct labelled causes[] = {
		{ COUNT_AUTH_MISSING, "missing" }, { COUNT_AUTH_KEY, "key" },
		{ COUNT_AUTH_TOKEN, "token" }, { COUNT_AUTH_USER, "user" },
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
	family(call, "milepost_api_auth_failures_total", "Failed authentications by cause.",
	    "cause", causes, countof(causes));
	family(call, "milepost_api_logins_total", "Logins by outcome.", "outcome", logins,
	    countof(logins));
	single(call, "milepost_api_commit_requests_total", "Requests that wrote.", stats.requests);
	single(call, "milepost_api_commits_total", "Transactions.", stats.groups);
	single(call, "milepost_api_commit_failures_total", "Transactions that failed.",
	    stats.failures);
	single(call, "milepost_api_commit_milliseconds_total", "Time spent in transactions.",
	    stats.busy_ms);
}
