/* poster.c: HTTP clients: a request out, an answer in. */
#include "poster.h"

#include "base/clock.h"
#include "fatal.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REQUEST_MAX (2u << 20)
#define ANSWER_MAX (16u << 20)
#define READ_SIZE 65536

static void on_ready(struct source *source, uint32_t events);

static void
open_connection(struct poster *p)
{
	p->fd = address_connect(&p->group->address);
	loop_add(p->group->loop, p->fd, &p->source, EPOLLIN);
}

static void
close_connection(struct poster *p)
{
	close(p->fd);
	p->fd = -1;
}

void
posters_init(struct posters *posters, size_t count)
{
	posters->all = xcalloc(count, sizeof(*posters->all));
	posters->count = count;
	for (size_t i = 0; i < count; i++) {
		posters->all[i] = (struct poster){ .source.on_ready = on_ready, .group = posters };
		buf_init(&posters->all[i].out, REQUEST_MAX);
		buf_init(&posters->all[i].in, ANSWER_MAX);
		open_connection(&posters->all[i]);
	}
}

void
posters_fini(struct posters *posters)
{
	for (size_t i = 0; i < posters->count; i++) {
		if (posters->all[i].fd >= 0)
			close_connection(&posters->all[i]);
		buf_fini(&posters->all[i].out);
		buf_fini(&posters->all[i].in);
	}
	free(posters->all);
}

struct poster *
posters_idle(struct posters *posters)
{
	if (posters->busy == posters->count)
		return NULL;
	for (size_t i = 0; i < posters->count; i++)
		if (!posters->all[i].busy)
			return &posters->all[i];
	return NULL;
}

struct buf *
poster_begin(struct poster *p)
{
	buf_reset(&p->out);
	return &p->out;
}

static void
flush(struct poster *p)
{
	ssize_t n = write(p->fd, p->out.data + p->sent, p->out.len - p->sent);

	if (n < 0 && errno != EAGAIN)
		fatal("a poster's write: %s", strerror(errno));
	p->sent += n > 0 ? (size_t)n : 0;
}

void
poster_send(struct poster *p, uint64_t tag)
{
	if (p->out.err != ERR_OK)
		fatal("a request is too long");
	p->tag = tag;
	p->busy = true;
	p->group->busy++;
	p->sent = 0;
	buf_reset(&p->in);
	p->started_us = clock_mono_us();
	if (p->fd < 0)
		open_connection(p);
	flush(p);
	if (p->sent < p->out.len)
		loop_change(p->group->loop, p->fd, &p->source, EPOLLIN | EPOLLOUT);
}

/* --- the answer --- */

struct answer {
	int status;
	bool close, chunked;
	size_t length; /* of the body */
};

static bool
is_header(struct text line, const char *name, struct text *value)
{
	size_t len = strlen(name);

	if (line.len <= len || line.s[len] != ':' || strncasecmp(line.s, name, len) != 0)
		return false;
	*value = text_trim((struct text){ line.s + len + 1, line.len - len - 1 });
	return true;
}

static void
read_header(struct answer *answer, struct text line)
{
	unsigned long long length;
	struct text value;

	if (is_header(line, "Content-Length", &value) && text_number(value, ANSWER_MAX, &length))
		answer->length = (size_t)length;
	else if (is_header(line, "Transfer-Encoding", &value))
		answer->chunked = text_is_nocase(value, "chunked");
	else if (is_header(line, "Connection", &value))
		answer->close = text_is_nocase(value, "close");
}

static struct answer
read_head(const char *data, size_t len)
{
	struct answer answer = { .status = len > 12 ? atoi(data + 9) : 0 };
	const char *end;

	while (len > 0 && (end = memmem(data, len, "\r\n", 2)) != NULL) {
		read_header(&answer, (struct text){ data, (size_t)(end - data) });
		len -= (size_t)(end - data) + 2;
		data = end + 2;
	}
	return answer;
}

/* A JSON text, which has no bare CR in it, can't end like this by itself. */
static bool
is_last_chunk_there(const char *data, size_t len)
{
	return len >= 5 && memcmp(data + len - 5, "0\r\n\r\n", 5) == 0 &&
	       (len == 5 || memcmp(data + len - 7, "\r\n", 2) == 0);
}

/* Puts the chunks together, where they lie; returns how long they are then. */
static size_t
join_chunks(char *data, size_t len)
{
	size_t at = 0, joined = 0;

	while (at < len) {
		char *end;
		size_t size = strtoul(data + at, &end, 16);

		at = (size_t)(end - data) + 2;
		if (size == 0)
			return joined;
		if (at > len || size > len - at)
			break;
		memmove(data + joined, data + at, size);
		joined += size;
		at += size + 2;
	}
	fatal("an answer's chunks are broken");
}

static void
answered(struct poster *p, const struct answer *answer, struct text body)
{
	p->busy = false;
	p->group->busy--;
	if (answer->close)
		close_connection(p);
	p->group->on_answer(p->group->arg, p, answer->status, body);
}

static void
look_for_answer(struct poster *p)
{
	char *end = memmem(p->in.data, p->in.len, "\r\n\r\n", 4);
	struct answer answer;
	size_t head_len, rest;

	if (end == NULL)
		return;
	head_len = (size_t)(end - p->in.data) + 4;
	rest = p->in.len - head_len;
	answer = read_head(p->in.data, head_len);
	if (answer.chunked) {
		if (!is_last_chunk_there(p->in.data + head_len, rest))
			return;
		answer.length = join_chunks(p->in.data + head_len, rest);
	} else if (rest < answer.length) {
		return;
	}
	answered(p, &answer, (struct text){ p->in.data + head_len, answer.length });
}

static void
on_ready(struct source *source, uint32_t events)
{
	struct poster *p = (struct poster *)source;
	ssize_t n;

	if (p->fd < 0)
		return;
	if ((events & EPOLLOUT) != 0) {
		flush(p);
		if (p->sent == p->out.len)
			loop_change(p->group->loop, p->fd, &p->source, EPOLLIN);
	}
	if ((events & ~(uint32_t)EPOLLOUT) == 0)
		return;
	n = read(p->fd, buf_room(&p->in, READ_SIZE), READ_SIZE);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 && p->busy)
		fatal("a poster's connection broke: %s", n == 0 ? "end of file" : strerror(errno));
	if (n <= 0) {
		close_connection(p);
		return;
	}
	p->in.len += (size_t)n;
	look_for_answer(p);
}
