/* stats.c: counters as Prometheus text (exposition format 0.0.4). */
#include "ws/stats.h"

#include "base/attr.h"

void
stats_close(struct stats *stats, unsigned code)
{
	unsigned i = code - STATS_CODE_FIRST;

	stats->closes[i < STATS_CODES ? i : STATS_CODES - 1]++;
}

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
single(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void
labelled(struct buf *out, const char *name, const char *label, const char *value, uint64_t n)
{
	buf_printf(out, "%s{%s=\"%s\"} %llu\n", name, label, value, (unsigned long long)n);
}

void
stats_write(const struct stats *stats, const struct stats_now *now, struct buf *out)
{
	single(out, "milepost_ws_watchers", "gauge", "Open WebSockets.", now->open);
	single(out, "milepost_ws_connections", "gauge", "Connections of any kind and state.",
	    now->connections);
	single(out, "milepost_ws_revision", "gauge", "The newest revision that was passed on.",
	    (uint64_t)now->revision);
	single(out, "milepost_ws_accepted_total", "counter", "Connections accepted.",
	    stats->accepted);
	single(out, "milepost_ws_http_refusals_total", "counter",
	    "Requests answered with an HTTP error.", stats->refused_http);
	single(out, "milepost_ws_updates_total", "counter", "Updates read from the database.",
	    stats->updates);
	single(out, "milepost_ws_frames_total", "counter", "Progress frames queued for watchers.",
	    stats->frames);
	single(out, "milepost_ws_conflated_total", "counter",
	    "Progress frames dropped in favour of a newer one.", stats->conflated);
	single(out, "milepost_ws_feed_errors_total", "counter", "Failed reads of the feed.",
	    stats->feed_errors);

	head(out, "milepost_ws_handshakes_total", "counter", "Handshakes by outcome.");
	for (unsigned i = 0; i < VERDICT__MAX; i++)
		labelled(out, "milepost_ws_handshakes_total", "outcome",
		    verdict_name((enum verdict)i), stats->verdicts[i]);
	head(out, "milepost_ws_auth_failures_total", "counter", "Failed authentications by cause.");
	for (unsigned i = 0; i < countof(stats->auth_failures); i++)
		labelled(out, "milepost_ws_auth_failures_total", "cause",
		    i == TOKEN_OK ? "user" : token_cause_name((enum token_cause)i),
		    stats->auth_failures[i]);
	head(out, "milepost_ws_closes_total", "counter", "Closed WebSockets by close code.");
	for (unsigned i = 0; i < STATS_CODES; i++)
		if (stats->closes[i] > 0)
			buf_printf(out, "milepost_ws_closes_total{code=\"%u\"} %llu\n",
			    STATS_CODE_FIRST + i, (unsigned long long)stats->closes[i]);
}
