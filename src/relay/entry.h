/*
 * entry.h: entries of the Redis Stream: names and values, to be read by people too (XRANGE). Pure.
 *
 * What comes from Redis is checked as anything from outside is: whoever may write to the stream may
 * change what this host shows, but not break it. Unknown names are passed over, and entries of an
 * unknown kind are only counted, so that a newer relay may say more. (One that brings a new kind has
 * to ask for a snapshot when it begins: until then its host has passed over what it now knows.)
 */
#ifndef RELAY_ENTRY_H
#define RELAY_ENTRY_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "model/merge.h"

#include <stddef.h>
#include <stdint.h>

#define ENTRY_NONCE_LEN 32

enum entry_kind {
	ENTRY_CHANGE, /* something was changed */
	ENTRY_ASK,    /* a host asks for a snapshot, because it has missed something of `of` */
	ENTRY_END,    /* of a snapshot; `of` are the hosts of which it holds all, separated by spaces */
	ENTRY_OTHER,  /* a newer relay's; only host, n and after are read */
};

struct entry {
	enum entry_kind kind;
	struct text host;  /* who wrote it */
	int64_t n;         /* its number there, from 1; 0: it is not counted, and comes again or is in a snapshot */
	int64_t after;     /* of the counted one before it */
	struct change change;
	struct text nonce; /* names the snapshot */
	struct text of;
};

/* Room for what entry_write makes. */
#define ENTRY_ARGS_MAX 64
#define ENTRY_NUMBERS_MAX 16
struct entry_args {
	struct text args[ENTRY_ARGS_MAX];
	size_t count;
	char numbers[ENTRY_NUMBERS_MAX][24];
	size_t number_count;
};

/* Appends names and values to args, which keep borrowing the entry's texts, and must not move. */
void entry_write(const struct entry *entry, struct entry_args *args);

/* Appends one text, or a number, of a command. */
void entry_arg(struct entry_args *args, struct text arg);
void entry_number(struct entry_args *args, int64_t n);

/* Reads count texts, names and values by turns; the entry borrows them. ERR_INPUT: no valid entry;
 * *why (static) is the name of what is wrong or missing. */
enum err entry_read(const struct text *fields, size_t count, struct entry *out, const char **why)
    MUST_USE;

/* The ids of entries, such as "1766140200000-0". ERR_INPUT: it is none. */
struct entry_id {
	uint64_t ms;
	uint64_t seq;
};
enum err entry_id_read(struct text t, struct entry_id *out) MUST_USE;
int entry_id_compare(const struct entry_id *a, const struct entry_id *b);

#endif
