/* bar.c: laying out the line of an update. */
#include "ctl/bar.h"

#include "ctl/escape.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 24
#define WIDTH_NARROW 10
#define NARROW 72 /* columns below which the bar is short */

/* A line under construction, with the room that is left in it. */
struct row {
	struct buf *out;
	size_t room;
};

static void
put(struct row *row, struct text t)
{
	row->room -= escape_text(row->out, t, row->room);
}

static void
put_bar(struct row *row, int progress, size_t width)
{
	size_t filled = width * (size_t)progress / 100;

	put(row, text_of("["));
	for (size_t i = 0; i < width; i++)
		put(row, text_of(i < filled ? "#" : "-"));
	put(row, text_of("] "));
}

static void
format_eta(const struct progress *p, int64_t now, char *out, size_t size)
{
	int64_t passed = now > p->updated_at ? now - p->updated_at : 0;

	out[0] = '\0';
	if (p->outcome == OUTCOME_RUNNING && p->eta > passed)
		snprintf(out, size, "  ~%lld s", (long long)(p->eta - passed));
}

void
bar_write(struct buf *out, const struct progress *p, int64_t now, size_t columns)
{
	struct row row = { out, columns };
	char percent[16], eta[32];
	size_t reserved;

	snprintf(percent, sizeof(percent), "%3d %%  ", p->progress);
	format_eta(p, now, eta, sizeof(eta));
	put_bar(&row, p->progress, columns < NARROW ? WIDTH_NARROW : WIDTH);
	put(&row, text_of(percent));
	put(&row, p->status);
	put(&row, text_of("  "));
	reserved = strlen(eta) <= row.room ? strlen(eta) : 0;
	row.room -= reserved;
	put(&row, p->message);
	row.room += reserved;
	if (reserved > 0)
		put(&row, text_of(eta));
}
