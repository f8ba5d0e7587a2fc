/* post.c: POSTs as fast as they are answered, or at a rate, of one update each or of batches. Nobody watches. */
#include "base/clock.h"
#include "fatal.h"
#include "load.h"
#include "poster.h"
#include "samples.h"

#include <string.h>

#define LINE_OK "\"status\":200" /* what each line of a batch's answer must hold */

struct post {
	struct load *load;
	struct posters posters;
	struct samples answers; /* from before the POST to its answer */
	uint64_t next;          /* the next update's number */
	uint64_t updates;       /* answered */
	uint64_t begun;         /* updates, since from_us */
	int64_t from_us;
	bool over;
};

/* How many a POST has. */
static uint64_t
updates_of(const struct load *load)
{
	return load->lines > 0 ? load->lines : 1;
}

static void
post_next(struct post *post, struct poster *poster)
{
	struct load *load = post->load;

	if (load->lines > 0)
		load_write_batch(load, poster_begin(poster), post->next);
	else
		load_write_post(load, poster_begin(poster), post->next);
	post->next += updates_of(load);
	post->begun += updates_of(load);
	poster_send(poster, post->next);
}

/* Is it time for one more? */
static bool
is_due(const struct post *post)
{
	double rate = post->load->rate;

	return !post->over && (rate == 0 ||
	    (double)post->begun < rate * (double)(clock_mono_us() - post->from_us) / 1e6);
}

static void
post_what_is_due(struct post *post)
{
	struct poster *poster;

	while (is_due(post) && (poster = posters_idle(&post->posters)) != NULL)
		post_next(post, poster);
}

static size_t
count_lines(struct text body)
{
	const char *end = body.s + body.len, *at = body.s;
	size_t count = 0;

	while ((at = memmem(at, (size_t)(end - at), LINE_OK, strlen(LINE_OK))) != NULL) {
		at += strlen(LINE_OK);
		count++;
	}
	return count;
}

static void
on_answer(void *arg, struct poster *poster, int status, struct text body)
{
	struct post *post = arg;

	if (status != 200)
		fatal("a POST was answered with %d: %.*s", status, TEXT_ARG(body));
	if (post->load->lines > 0 && count_lines(body) != post->load->lines)
		fatal("of %zu lines %zu were stored: %.*s", post->load->lines, count_lines(body),
		    TEXT_ARG(body));
	post->updates += updates_of(post->load);
	samples_add(&post->answers, clock_mono_us() - poster->started_us);
	post_what_is_due(post);
}

/* Until the time is over and all is answered. */
static void
post_for(struct post *post, double seconds)
{
	int64_t until;

	post->from_us = clock_mono_us();
	until = post->from_us + (int64_t)(seconds * 1e6);
	post->updates = post->begun = 0;
	post->over = false;
	samples_reset(&post->answers);
	while (!post->over || post->posters.busy > 0) {
		post_what_is_due(post);
		loop_turn(&post->load->loop, post->load->rate > 0 ? 1 : 100);
		post->over = clock_mono_us() >= until;
	}
}

void
post_run(struct load *load)
{
	struct post post = { .load = load, .next = load->first };
	struct usage before, after;
	int64_t from_us, us;

	post.posters = (struct posters){
		.loop = &load->loop, .address = load->post, .arg = &post, .on_answer = on_answer
	};
	posters_init(&post.posters, load->poster_count);
	post_for(&post, load->warmup);
	usage_read_cpu(&load->trees, &before);
	from_us = clock_mono_us();
	post_for(&post, load->seconds);
	us = clock_mono_us() - from_us;
	usage_read_cpu(&load->trees, &after);
	load_write_settings(load, load->lines > 0 ? "batch" : "post");
	printf(",\"seconds\":%.3f,\"updates\":%llu,\"updates_per_s\":%.0f,\"answer_us\":",
	    (double)us / 1e6, (unsigned long long)post.updates,
	    (double)post.updates * 1e6 / (double)us);
	samples_write(&post.answers, stdout);
	putchar(',');
	usage_write_cpu(&load->trees, &before, &after, stdout);
	puts("}");
	posters_fini(&post.posters);
	samples_fini(&post.answers);
}
