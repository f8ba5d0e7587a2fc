/* stats.c: counting, and the counts as Prometheus text. */
#include "ws/stats.h"

#include "base/attr.h"

#include <string.h>

void
stats_close(struct stats *stats, unsigned code)
{
	unsigned i = code - STATS_CODE_FIRST;

	stats->closes[i < STATS_CODES ? i : STATS_CODES - 1]++;
}

static void
count_status(struct stats *stats, struct text status)
{
	size_t i = 0;

	while (i < STATS_STATUSES && stats->updates[i].count > 0 &&
	    !text_is(status, stats->updates[i].status))
		i++;
	if (i < STATS_STATUSES && stats->updates[i].count == 0 && status.len <= STATS_STATUS_MAX)
		memcpy(stats->updates[i].status, status.s, status.len);
	stats->updates[i].count++;
}

void
stats_update(struct stats *stats, const struct progress *progress)
{
	count_status(stats, progress->status);
	if (progress->stored_ms > 0 && stats->unsent_count < STATS_UNSENT)
		stats->unsent[stats->unsent_count++] = progress->stored_ms;
}

void
stats_sent(struct stats *stats, int64_t now_us)
{
	for (size_t i = 0; i < stats->unsent_count; i++)
		histogram_observe(&stats->lag, now_us - stats->unsent[i] * 1000);
	stats->unsent_count = 0;
}

static void
write_gauges(const struct stats_now *now, struct buf *out)
{
	const struct {
		const char *name, *help;
		uint64_t value;
	} gauges[] = {
		{ "milepost_ws_watchers", "Open WebSockets and streams of events.", now->open },
		{ "milepost_ws_event_streams", "Of them, streams of events.", now->streams },
		{ "milepost_ws_connections", "Connections of any kind and state.",
		    now->connections },
		{ "milepost_ws_revision", "The newest revision that was passed on.",
		    now->revision },
		{ "milepost_ws_feed_current", "1 if the feed of updates is not behind.",
		    now->current },
		{ "milepost_ws_waiting_bytes", "Bytes that wait to be sent.", now->waiting },
		{ "milepost_ws_waiting_bytes_max", "Of the connection with the most.",
		    now->waiting_max },
		{ "milepost_ws_behind", "Watchers that are given only the newest update.",
		    now->behind },
		{ "milepost_ws_wal_bytes", "Size of the database's write-ahead log.",
		    now->wal_bytes },
	};

	for (size_t i = 0; i < countof(gauges); i++)
		metrics_single(out, gauges[i].name, "gauge", gauges[i].help, gauges[i].value);
}

static void
write_counters(const struct stats *stats, struct buf *out)
{
	const struct {
		const char *name, *help;
		uint64_t value;
	} counters[] = {
		{ "milepost_ws_accepted_total", "Connections accepted.", stats->accepted },
		{ "milepost_ws_http_refusals_total", "Requests answered with an HTTP error.",
		    stats->refused_http },
		{ "milepost_ws_frames_total", "Progress frames queued for watchers.",
		    stats->frames },
		{ "milepost_ws_conflated_total",
		    "Progress frames dropped in favour of a newer one.", stats->conflated },
		{ "milepost_ws_feed_errors_total", "Failed reads of the feed.",
		    stats->feed_errors },
	};

	for (size_t i = 0; i < countof(counters); i++)
		metrics_single(out, counters[i].name, "counter", counters[i].help,
		    counters[i].value);
}

static void
write_updates(const struct stats *stats, struct buf *out)
{
	const char *name = "milepost_ws_updates_total";

	metrics_head(out, name, "counter", "Updates read from the database, by status.");
	for (size_t i = 0; i < countof(stats->updates); i++)
		if (stats->updates[i].count > 0)
			metrics_labelled(out, name, "status",
			    text_of(i < STATS_STATUSES ? stats->updates[i].status : "other"),
			    stats->updates[i].count);
}

static void
write_openings(const struct stats *stats, struct buf *out)
{
	const char *name = "milepost_ws_handshakes_total";

	metrics_head(out, name, "counter", "Requests to watch, by outcome.");
	for (unsigned i = 0; i < VERDICT__MAX; i++)
		metrics_labelled(out, name, "outcome", text_of(verdict_name((enum verdict)i)),
		    stats->verdicts[i]);
	name = "milepost_ws_auth_failures_total";
	metrics_head(out, name, "counter", "Failed authentications by cause.");
	for (unsigned i = 0; i < countof(stats->auth_failures); i++)
		metrics_labelled(out, name, "cause",
		    text_of(i == TOKEN_OK ? "user" : token_cause_name((enum token_cause)i)),
		    stats->auth_failures[i]);
}

static void
write_closes(const struct stats *stats, struct buf *out)
{
	const char *name = "milepost_ws_closes_total";

	metrics_head(out, name, "counter", "Closed watchers by close code.");
	for (unsigned i = 0; i < STATS_CODES; i++)
		if (stats->closes[i] > 0)
			buf_printf(out, "%s{code=\"%u\"} %llu\n", name, STATS_CODE_FIRST + i,
			    (unsigned long long)stats->closes[i]);
}

void
stats_write(const struct stats *stats, const struct stats_now *now, struct buf *out)
{
	write_gauges(now, out);
	write_counters(stats, out);
	write_updates(stats, out);
	write_openings(stats, out);
	write_closes(stats, out);
	histogram_write(&stats->lag, "milepost_ws_lag_seconds",
	    "From an update's being stored to its being sent to every watcher.", out);
}
