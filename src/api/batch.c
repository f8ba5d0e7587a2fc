/* batch.c: many updates in one request: a JSON object a line in, a JSON object a line out. */
#include "api/auth.h"
#include "api/handlers.h"
#include "api/report.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/message.h"
#include "wire/ndjson.h"

#include <string.h>

#define BODY_MAX (1u << 20)
#define LINE_MAX_BYTES (16u << 10)
#define LINES_MAX 10000u /* bounds how long one batch holds the writer, and the answer's size */

/*
 * A batch is read, judged and answered line by line, inside the transaction: so only one line is in
 * memory at a time, and nothing that could fail is left to do once it is stored.
 */
struct batch {
	struct text body;
	struct buf *out;                        /* the answers */
	unsigned decided[DECISION_INVALID + 1]; /* lines, by decision */
};

/* A problem as a line, whose status is in its body. */
static void
write_problem(struct buf *out, int status, const char *detail)
{
	message_write_problem(out, status, http_reason(status), text_of(detail), NULL, text_of(NULL));
}

static void
write_conflict(struct buf *out, const struct report *report)
{
	struct buf current = BUF_INIT(MESSAGE_MAX + 64);

	buf_puts(&current, "\"current\":");
	buf_text(&current, buf_view(&report->message));
	message_write_problem(out, 409, http_reason(409), text_of(report->why), NULL,
	    buf_view(&current));
	buf_fini(&current);
}

static void
write_invalid(struct buf *out, const struct faults *faults)
{
	struct buf detail = BUF_INIT(sizeof(struct faults) + 64);

	reply_sum_up(&detail, faults);
	message_write_problem(out, 422, http_reason(422), buf_view(&detail), faults, text_of(NULL));
	buf_fini(&detail);
}

static void
write_decision(struct buf *out, const struct report *report)
{
	if (report->err == ERR_ABSENT) {
		write_problem(out, 404, "Session not found");
	} else if (report->decision == DECISION_INVALID) {
		write_invalid(out, &report->faults);
	} else if (report->decision == DECISION_CONFLICT) {
		write_conflict(out, report);
	} else {
		buf_puts(out, "{\"status\":200,\"progress\":");
		buf_text(out, buf_view(&report->message));
		buf_puts(out, "}");
	}
}

/* A line that is a JSON text. Fails only as report_apply does. */
static enum err
serve_update(struct batch *batch, const struct json *json, struct store *store)
{
	struct report report;
	enum err err = ERR_OK;

	report_init(&report);
	if (message_read_update(json, true, &report.update, &report.faults) != ERR_OK)
		report.decision = DECISION_INVALID;
	else
		err = report_apply(&report, store);
	if (err == ERR_OK)
		write_decision(batch->out, &report);
	if (err == ERR_OK && report.err == ERR_OK)
		batch->decided[report.decision]++;
	report_fini(&report);
	return err;
}

static enum err
serve_line(struct batch *batch, struct text line, struct store *store)
{
	const char *why = NULL;
	struct json *json = NULL;
	enum err err = ERR_LIMIT;

	if (line.len <= LINE_MAX_BYTES)
		err = json_parse(line, &json, &why);
	if (err == ERR_NOMEM)
		return err;
	if (err == ERR_OK) {
		err = serve_update(batch, json, store);
	} else {
		write_problem(batch->out, err == ERR_LIMIT ? 413 : 400,
		    err == ERR_LIMIT ? "The line is too long" : why);
		err = ERR_OK;
	}
	json_free(&json);
	buf_puts(batch->out, "\n");
	return err;
}

/* A commit_fn. An answer that has no room ends the transaction too: what is stored is answered. */
static enum err
commit_batch(void *arg, struct store *store)
{
	struct batch *batch = arg;
	struct text rest = batch->body, line;
	enum err err = ERR_OK;

	buf_reset(batch->out);
	memset(batch->decided, 0, sizeof(batch->decided));
	while (err == ERR_OK && ndjson_next(&rest, &line))
		err = serve_line(batch, line, store);
	return err == ERR_OK && batch->out->err != ERR_OK ? ERR_NOMEM : err;
}

/* How many lines there are; one more than LINES_MAX is enough to know. */
static size_t
count_lines(struct text body)
{
	struct text line;
	size_t count = 0;

	while (count <= LINES_MAX && ndjson_next(&body, &line))
		count++;
	return count;
}

static void
run_batch(struct call *call, struct text body)
{
	struct app *app = call->worker->app;
	struct batch batch = { .body = body, .out = &call->reply->body };
	size_t lines = count_lines(body);
	enum err err;

	if (lines > LINES_MAX) {
		reply_problem(call->reply, 413, "The batch has more than 10000 lines");
		return;
	}
	err = auth_commit(call, commit_batch, &batch, lines > 0 ? lines : 1);
	if (err != ERR_OK) {
		reply_failure(call->reply, err);
		return;
	}
	call->reply->status = 200;
	call->reply->content_type = "application/x-ndjson";
	for (unsigned i = 0; i < countof(batch.decided); i++)
		report_count(app, (enum decision)i, batch.decided[i]);
}

void
batch_report(struct call *call)
{
	struct buf body = BUF_INIT(BODY_MAX);
	enum content content;

	if (auth_presume(call) && auth_may_report(call) &&
	    route_read_body(call, CONTENT_NDJSON, BODY_MAX, &body, &content))
		run_batch(call, buf_view(&body));
	buf_fini(&body);
}
