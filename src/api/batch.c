/* batch.c: many updates in one request: a JSON object a line in, a JSON object a line out. */
#include "api/auth.h"
#include "api/handlers.h"
#include "api/report.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX (1u << 20)
#define LINE_MAX_BYTES (16u << 10)

/* One line and what became of it. */
struct line {
	struct json *json; /* the report's texts point here */
	struct report report;
	int status;        /* of a line that is refused before the transaction; else 0 */
	const char *detail;
};

struct batch {
	struct line *lines; /* owned */
	size_t count;
};

static void
read_line(struct text text, struct line *line)
{
	const char *why = NULL;
	enum err err = ERR_LIMIT;

	report_init(&line->report);
	if (text.len <= LINE_MAX_BYTES)
		err = json_parse(text, &line->json, &why);
	if (err == ERR_LIMIT) {
		line->status = 413;
		line->detail = "The line is too long";
	} else if (err == ERR_NOMEM) {
		line->status = 503;
		line->detail = "Out of memory";
	} else if (err != ERR_OK) {
		line->status = 400;
		line->detail = why;
	} else if (message_read_update(line->json, true, &line->report.update,
	               &line->report.faults) != ERR_OK) {
		line->status = 422;
	}
}

static bool
is_blank(struct text line)
{
	line = text_trim(line);
	return line.len == 0 || text_is(line, "\r");
}

/* Takes the next line that is not blank. False: there is none. */
static bool
next_line(struct text *rest, struct text *line)
{
	while (rest->len > 0) {
		const char *end = memchr(rest->s, '\n', rest->len);
		size_t len = end != NULL ? (size_t)(end - rest->s) : rest->len;
		size_t step = end != NULL ? len + 1 : len;

		*line = (struct text){ rest->s, len };
		rest->s += step;
		rest->len -= step;
		if (!is_blank(*line))
			return true;
	}
	return false;
}

static enum err
read_lines(struct text body, struct batch *batch)
{
	struct text rest = body, line;
	size_t count = 0;

	while (next_line(&rest, &line))
		count++;
	batch->lines = calloc(count > 0 ? count : 1, sizeof(*batch->lines));
	if (batch->lines == NULL)
		return ERR_NOMEM;
	for (rest = body; next_line(&rest, &line);)
		read_line(line, &batch->lines[batch->count++]);
	return ERR_OK;
}

static enum err
commit_batch(void *arg, struct store *store)
{
	struct batch *batch = arg;
	enum err err = ERR_OK;

	for (size_t i = 0; i < batch->count && err == ERR_OK; i++)
		if (batch->lines[i].status == 0)
			err = report_apply(&batch->lines[i].report, store);
	return err;
}

/* The problem of a line, whose status is in its body. */
static void
write_problem(struct buf *out, int status, struct text detail, const struct report *report,
    struct text extra)
{
	message_write_problem(out, status, http_reason(status), detail, &report->faults, extra);
}

static void
write_conflict(struct buf *out, const struct report *report)
{
	struct buf current = BUF_INIT(MESSAGE_MAX + 64);

	buf_puts(&current, "\"current\":");
	buf_text(&current, buf_view(&report->message));
	write_problem(out, 409, text_of(report->why), report, buf_view(&current));
	buf_fini(&current);
}

static void
write_invalid(struct buf *out, const struct report *report)
{
	struct buf detail = BUF_INIT(sizeof(struct faults) + 64);

	reply_sum_up(&detail, &report->faults);
	write_problem(out, 422, buf_view(&detail), report, text_of(NULL));
	buf_fini(&detail);
}

static void
write_line(struct buf *out, const struct line *line)
{
	const struct report *report = &line->report;

	if (line->status == 422 || (line->status == 0 && report->err == ERR_OK &&
	                               report->decision == DECISION_INVALID)) {
		write_invalid(out, report);
	} else if (line->status != 0) {
		write_problem(out, line->status, text_of(line->detail), report, text_of(NULL));
	} else if (report->err == ERR_ABSENT) {
		write_problem(out, 404, text_of("Session not found"), report, text_of(NULL));
	} else if (report->decision == DECISION_CONFLICT) {
		write_conflict(out, report);
	} else {
		buf_puts(out, "{\"status\":200,\"progress\":");
		buf_text(out, buf_view(&report->message));
		buf_puts(out, "}");
	}
	buf_puts(out, "\n");
}

static void
answer(struct call *call, const struct batch *batch)
{
	call->reply->status = 200;
	call->reply->content_type = "application/x-ndjson";
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->lines[i].status == 0)
			report_count(call->worker->app, &batch->lines[i].report);
		write_line(&call->reply->body, &batch->lines[i]);
	}
}

static void
free_batch(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		json_free(&batch->lines[i].json);
		report_fini(&batch->lines[i].report);
	}
	free(batch->lines);
}

static void
run_batch(struct call *call, struct text body)
{
	struct batch batch = { NULL, 0 };
	enum err err = read_lines(body, &batch);

	if (err == ERR_OK)
		err = commit_run(call->worker->app->commit, commit_batch, &batch);
	if (err == ERR_OK)
		answer(call, &batch);
	else
		reply_failure(call->reply, err);
	free_batch(&batch);
}

void
batch_report(struct call *call)
{
	struct buf body = BUF_INIT(BODY_MAX);
	struct principal principal;
	enum content content;

	if (auth_identify(call->worker, call->request, &principal, call->reply) &&
	    auth_may_report(&principal, call->reply) &&
	    route_read_body(call, CONTENT_NDJSON, BODY_MAX, &body, &content))
		run_batch(call, buf_view(&body));
	buf_fini(&body);
}
