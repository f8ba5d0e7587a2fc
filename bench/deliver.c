/*
 * deliver.c: updates posted and delivered: fan-out, wide and steady differ by numbers only.
 *
 * An update is posted as soon as a poster is idle and fewer than the window are undelivered, or,
 * where there is a rate, when it is due. One is delivered when every watcher of its session has it.
 */
#include "base/clock.h"
#include "bell/bell.h"
#include "beside.h"
#include "fatal.h"
#include "load.h"
#include "poster.h"
#include "samples.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define UNDELIVERED_MAX 65536 /* a power of two */
#define PATIENCE_MS 10000     /* for the last update to come through */

struct update {
	uint64_t n; /* 0: none */
	size_t session;
	size_t missing; /* watchers that do not have it yet */
	int64_t posted_us;
	int64_t rung_us; /* the first ring of the bell after that; 0: none yet */
};

struct deliver {
	struct load *load;
	struct watchers watchers;
	struct posters posters;
	struct source timer;
	int timer_fd;
	struct source ring;
	struct bell *bell; /* NULL: nobody listens */
	uint64_t unrung;   /* the first update for which the bell has not rung */
	struct update *updates; /* owned; n % UNDELIVERED_MAX is its place */
	uint64_t next;          /* the next update's number */
	uint64_t due;           /* with a rate: how many are due but not posted */
	size_t undelivered;
	bool over;
	struct beside beside;
	/* what is measured */
	uint64_t posted, refused, deliveries, late, stray;
	struct samples latencies; /* from before the POST to each watcher's having parsed it */
	struct samples commits;   /* from the bell to each watcher's having parsed it */
	struct samples lasts;     /* to the last watcher's having it */
	struct samples answers;   /* to the POST's answer */
};

static size_t
watchers_of(const struct load *load, size_t session)
{
	size_t rest = load->watcher_count % load->session_count;

	return load->watcher_count / load->session_count + (session < rest);
}

static void
post(struct deliver *d, struct poster *poster)
{
	struct load *load = d->load;
	uint64_t n = d->next++;
	struct update *u = &d->updates[n % UNDELIVERED_MAX];

	if (u->n != 0)
		fatal("update %llu is not delivered, and %d came after it",
		    (unsigned long long)u->n, UNDELIVERED_MAX);
	*u = (struct update){ .n = n, .session = load_session_of(load, n) };
	u->missing = watchers_of(load, u->session);
	d->undelivered++;
	d->posted++;
	load_write_post(load, poster_begin(poster), n);
	u->posted_us = clock_mono_us();
	poster_send(poster, n);
}

static bool
is_one_due(const struct deliver *d)
{
	if (d->over)
		return false;
	if (d->load->rate > 0)
		return d->due > 0;
	return d->undelivered < d->load->window;
}

static void
post_what_is_due(struct deliver *d)
{
	struct poster *poster;

	while (is_one_due(d) && (poster = posters_idle(&d->posters)) != NULL) {
		post(d, poster);
		d->due -= d->load->rate > 0;
	}
}

static void
on_timer(struct source *source, uint32_t events)
{
	struct deliver *d =
	    (struct deliver *)(void *)((char *)source - offsetof(struct deliver, timer));
	uint64_t expired = 0;

	(void)events;
	if (read(d->timer_fd, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
		fatal("timerfd: %s", strerror(errno));
	/* More than one: we were held up ourselves; or the posters are. */
	d->late += d->due + (expired > 1 ? expired - 1 : 0);
	d->due += expired;
	post_what_is_due(d);
}

/* 503, "come back later": nobody will get the update. */
static void
refuse(struct deliver *d, uint64_t n)
{
	struct update *u = &d->updates[n % UNDELIVERED_MAX];

	d->refused++;
	d->undelivered -= u->n == n;
	u->n = u->n == n ? 0 : u->n;
}

/* The bell rings after a commit: of what was posted before, as long as one update at a time is under
 * way. With more, some are taken for committed too early. */
static void
on_ring(struct source *source, uint32_t events)
{
	struct deliver *d =
	    (struct deliver *)(void *)((char *)source - offsetof(struct deliver, ring));
	int64_t now = clock_mono_us();

	(void)events;
	bell_heard(d->bell);
	for (; d->unrung < d->next; d->unrung++)
		d->updates[d->unrung % UNDELIVERED_MAX].rung_us = now;
}

static void
on_answer(void *arg, struct poster *poster, int status, struct text body)
{
	struct deliver *d = arg;

	if (status == 503 && d->load->beside != NULL)
		refuse(d, poster->tag);
	else if (status < 200 || status > 202)
		fatal("a POST was answered with %d: %.*s", status, TEXT_ARG(body));
	samples_add(&d->answers, clock_mono_us() - poster->started_us);
	post_what_is_due(d);
}

static void
on_text(void *arg, struct watcher *watcher, struct text payload)
{
	struct deliver *d = arg;
	uint64_t n = load_update_number(payload);
	struct update *u = &d->updates[n % UNDELIVERED_MAX];
	size_t session = watcher->number % d->load->session_count;
	int64_t us;

	/* A heartbeat, or what there was before the first update of ours. */
	if (n < d->load->first || u->n != n) {
		d->stray += n >= d->load->first;
		return;
	}
	if (u->session != session ||
	    memmem(payload.s, payload.len, d->load->sessions[session], SESSION_ID_LEN) == NULL)
		fatal("watcher %zu: an update of another session: %.*s", watcher->number,
		    TEXT_ARG(payload));
	us = clock_mono_us() - u->posted_us;
	samples_add(&d->latencies, us);
	/* Where the frame was read before the bell, it came at once. */
	if (d->bell != NULL)
		samples_add(&d->commits, u->rung_us > 0 ? u->posted_us + us - u->rung_us : 0);
	d->deliveries++;
	if (--u->missing > 0)
		return;
	samples_add(&d->lasts, us);
	u->n = 0;
	d->undelivered--;
	post_what_is_due(d);
}

static void
drain(struct deliver *d)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	d->over = true;
	while (d->undelivered > 0 || d->posters.busy > 0) {
		if (clock_mono_ms() > until)
			fatal("%zu updates were not delivered", d->undelivered);
		loop_turn(&d->load->loop, 100);
	}
}

/* Begins and ends with nothing under way. */
static void
deliver_for(struct deliver *d, double seconds)
{
	int64_t until = clock_mono_us() + (int64_t)(seconds * 1e6);

	d->posted = d->refused = d->deliveries = d->late = d->stray = d->due = 0;
	samples_reset(&d->latencies);
	samples_reset(&d->commits);
	samples_reset(&d->lasts);
	samples_reset(&d->answers);
	d->over = false;
	post_what_is_due(d);
	while (beside_is_running(&d->beside) || clock_mono_us() < until)
		loop_turn(&d->load->loop, 100);
	drain(d);
}

static void
start_timer(struct deliver *d)
{
	const int64_t ns = (int64_t)(1e9 / d->load->rate);
	const struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	const struct itimerspec every = { .it_value = time, .it_interval = time };

	d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->timer_fd < 0 || timerfd_settime(d->timer_fd, 0, &every, NULL) != 0)
		fatal("timerfd: %s", strerror(errno));
	loop_add(&d->load->loop, d->timer_fd, &d->timer, EPOLLIN);
}

static void
start_listening(struct deliver *d)
{
	int fd;

	if (bell_open(d->load->bell, &d->bell) != ERR_OK || bell_listen(d->bell, &fd) != ERR_OK)
		fatal("the bell of %s: %s", d->load->bell, strerror(errno));
	loop_add(&d->load->loop, fd, &d->ring, EPOLLIN);
}

static void
write_samples(const char *name, struct samples *samples)
{
	printf(",\"%s\":", name);
	samples_write(samples, stdout);
}

static void
write_result(struct deliver *d, int64_t us, const struct usage *before, const struct usage *after)
{
	load_write_settings(d->load, "deliver");
	if (d->load->beside != NULL)
		printf(",\"beside_s\":%.3f,\"refused\":%llu", (double)d->beside.took_us / 1e6,
		    (unsigned long long)d->refused);
	printf(",\"seconds\":%.3f,\"updates\":%llu,\"deliveries\":%llu,\"updates_per_s\":%.0f,"
	       "\"deliveries_per_s\":%.0f,\"late\":%llu,\"stray\":%llu",
	    (double)us / 1e6, (unsigned long long)d->posted, (unsigned long long)d->deliveries,
	    (double)d->posted * 1e6 / (double)us, (double)d->deliveries * 1e6 / (double)us,
	    (unsigned long long)d->late, (unsigned long long)d->stray);
	write_samples("latency_us", &d->latencies);
	write_samples("last_us", &d->lasts);
	write_samples("commit_us", &d->commits);
	write_samples("answer_us", &d->answers);
	putchar(',');
	usage_write_cpu(&d->load->trees, before, after, stdout);
	putchar(',');
	usage_write_pss(&d->load->trees, before, after, stdout);
	puts("}");
}

void
deliver_run(struct load *load)
{
	struct deliver d = { .load = load, .next = load->first, .timer.on_ready = on_timer,
		.timer_fd = -1, .ring.on_ready = on_ring, .unrung = load->first, .over = true };
	struct usage before, after;
	int64_t from_us, us;

	d.updates = xcalloc(UNDELIVERED_MAX, sizeof(*d.updates));
	d.watchers = (struct watchers){ .arg = &d, .on_text = on_text };
	load_open_watchers(load, &d.watchers);
	d.posters = (struct posters){ .loop = &load->loop, .address = load->post, .arg = &d,
		.on_answer = on_answer };
	posters_init(&d.posters, load->poster_count);
	if (load->rate > 0)
		start_timer(&d);
	if (load->bell != NULL)
		start_listening(&d);
	deliver_for(&d, load->warmup);
	usage_read_pss(&load->trees, &before);
	usage_read_cpu(&load->trees, &before);
	beside_start(&d.beside, load->beside);
	from_us = clock_mono_us();
	deliver_for(&d, load->seconds);
	us = clock_mono_us() - from_us;
	usage_read_cpu(&load->trees, &after);
	usage_read_pss(&load->trees, &after);
	write_result(&d, us, &before, &after);
	watchers_fini(&d.watchers);
	posters_fini(&d.posters);
	if (d.timer_fd >= 0)
		close(d.timer_fd);
	if (d.bell != NULL)
		bell_close(&d.bell);
	samples_fini(&d.latencies);
	samples_fini(&d.commits);
	samples_fini(&d.lasts);
	samples_fini(&d.answers);
	free(d.updates);
}
