/* connect.c: handshakes, until all are open; then the memory of idle connections. */
#include "base/clock.h"
#include "load.h"

#define SETTLE_MS 500 /* for what the servers still do after the last answer */

static void
on_text(void *arg, struct watcher *watcher, struct text payload)
{
	(void)arg;
	(void)watcher;
	(void)payload;
}

/* One that is closed now, because it was refused after all, ends the program. */
static void
settle(struct load *load)
{
	int64_t until = clock_mono_ms() + SETTLE_MS, left;

	while ((left = until - clock_mono_ms()) > 0)
		loop_turn(&load->loop, (int)left);
}

void
connect_run(struct load *load)
{
	struct watchers watchers = { .arg = load, .on_text = on_text };
	struct usage before, after;
	int64_t from_us, us;

	usage_read_pss(&load->trees, &before);
	usage_read_cpu(&load->trees, &before);
	from_us = clock_mono_us();
	load_open_watchers(load, &watchers);
	us = clock_mono_us() - from_us;
	settle(load);
	usage_read_cpu(&load->trees, &after);
	usage_read_pss(&load->trees, &after);
	load_write_settings(load, "connect");
	printf(",\"seconds\":%.3f,\"connections\":%zu,\"connections_per_s\":%.0f,",
	    (double)us / 1e6, watchers.open, (double)watchers.open * 1e6 / (double)us);
	usage_write_cpu(&load->trees, &before, &after, stdout);
	putchar(',');
	usage_write_pss(&load->trees, &before, &after, stdout);
	puts("}");
	watchers_fini(&watchers);
}
