/* list.c: the sessions whose run is under way, with their newest updates: GET /milepost/v1/sessions. */
#include "api/auth.h"
#include "api/handlers.h"
#include "store/event.h"
#include "wire/message.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

/* What the query asks for. */
struct page {
	size_t limit;
	int64_t before; /* only runs that began before this revision */
};

/* The number that a field of the query has, if it has one. */
static bool
read_number(const struct form *form, const char *name, int64_t min, int64_t max, int64_t *out)
{
	struct text value;
	unsigned long long n;

	if (form_value(form, name, &value) != ERR_OK)
		return false;
	if (value.s == NULL)
		return true;
	if (!text_number(value, (unsigned long long)max, &n) || (int64_t)n < min)
		return false;
	*out = (int64_t)n;
	return true;
}

static const char *
check_page(const struct form *form, struct page *page)
{
	int64_t active = 0, limit = LIMIT_DEFAULT;

	page->before = INT64_MAX;
	if (!read_number(form, "active", 1, 1, &active) || active != 1)
		return "active must be 1: only sessions whose run is under way are listed";
	if (!read_number(form, "limit", 1, LIMIT_MAX, &limit))
		return "limit must be a number from 1 to 1000";
	if (!read_number(form, "before", 1, INT64_MAX, &page->before))
		return "before must be what the page before it gave as next";
	page->limit = (size_t)limit;
	return NULL;
}

/* Reads the query. False: the reply is made. */
static bool
read_page(struct call *call, struct page *page)
{
	struct buf copy = BUF_INIT(QUERY_MAX);
	struct form form;
	const char *wrong = NULL;
	bool ok = route_read_query(call, &copy, &form);

	if (ok)
		wrong = check_page(&form, page);
	if (wrong != NULL)
		reply_problem(call->reply, 400, wrong);
	buf_fini(&copy);
	return ok && wrong == NULL;
}

/* A page under way. */
struct listing {
	struct buf *out;
	size_t left;  /* sessions that it has room for */
	bool any;
	bool more;    /* there is one for which it has none */
	int64_t last; /* the run of the last one on it */
};

static bool
on_update(void *arg, const struct progress *progress)
{
	struct listing *listing = arg;
	char id[ID_TEXT_LEN + 1];

	listing->more = listing->left == 0;
	if (listing->more)
		return false;
	id_format(&progress->session, id);
	buf_printf(listing->out, "%s{\"id\":\"%s\",\"progress\":", listing->any ? "," : "", id);
	message_write_progress(listing->out, progress, false);
	buf_puts(listing->out, "}");
	listing->any = true;
	listing->last = progress->run;
	listing->left--;
	return listing->out->err == ERR_OK;
}

static void
write_page(struct call *call, const struct page *page, const struct id *patient)
{
	struct listing listing = { .out = &call->reply->body, .left = page->limit };
	enum err err;

	reply_json(call->reply, 200);
	buf_puts(listing.out, "{\"sessions\":[");
	err = store_event_active(call->worker->store, patient, page->before, page->limit + 1,
	    on_update, &listing);
	buf_puts(listing.out, "],\"next\":");
	if (listing.more)
		buf_int(listing.out, listing.last);
	else
		buf_puts(listing.out, "null");
	buf_puts(listing.out, "}");
	if (err != ERR_OK)
		route_read_failure(call, err);
}

static void
list(struct call *call)
{
	const struct id *patient;
	struct page page;

	if (auth_identify(call) && auth_may_list(call, &patient) && read_page(call, &page))
		write_page(call, &page, patient);
}

void
list_sessions(struct call *call)
{
	route_in_snapshot(call, list);
}
