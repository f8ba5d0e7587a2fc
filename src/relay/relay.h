/*
 * relay.h: one relay: a database, a bell, and while Redis is there two connections to it. On one it
 * writes (out.c, beat.c, snapshot.c), on the other it follows the stream (in.c); link.c brings both
 * up and down together, and finds out what Redis may have lost meanwhile.
 *
 * Everything happens on one loop in one thread. What must not be forgotten is in the database; this
 * struct may vanish at any moment.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "base/attr.h"
#include "base/config.h"
#include "base/map.h"
#include "bell/bell.h"
#include "relay/entry.h"
#include "relay/origins.h"
#include "relay/redis.h"
#include "store/replica.h"
#include "store/store.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_FLIGHT_MAX 2048 /* entries that wait for Redis's answer */
#define RELAY_ANSWERS_MAX 16

/* Keys of Redis, made of relay_prefix. */
struct relay_keys {
	char stream[192];
	char hosts[192];
	char snapshot[256]; /* of the snapshot that this host waits for */
};

/* link.c */
struct relay_link {
	struct redis *command;
	struct redis *follow;
	bool is_up;          /* both are, and what was lost is known */
	ev_timer retry;
	unsigned failures;   /* in a row */
	size_t address;      /* which of relay_redis */
	char server[REPLICA_TEXT_MAX + 1]; /* the run of the server that this is */
	bool entry_found;    /* the last one that this host wrote */
	char last[REPLICA_TEXT_MAX + 1];   /* the stream's last entry, then */
	bool is_position_found; /* the entry that this host read last */
	struct redis_handler info, entry, position, end, hosts, own;
	struct redis_handler ignored; /* for all: of its answers only an error matters */
	char why[160];       /* why it is down */
	bool told;           /* that it is down was logged */
	bool is_doubled;     /* another relay was there under our name and token: a copied database's */
	int64_t ahead_ms;    /* of Redis's clock before ours, as far as known */
};

/* out.c */
struct relay_out {
	int64_t cursor;  /* up to it, this host's changes are under way or in the stream */
	int64_t chain;   /* the last of them that was written as one that counts */
	int64_t live;    /* in a backlog: up to it, changes were looked at out of their turn */
	bool draining;
	struct map sent; /* in a backlog: of which sessions how much was sent out of its turn; owned */
	int64_t flight[RELAY_FLIGHT_MAX]; /* a ring of their numbers; 0: not counted */
	size_t head, count;
	struct redis_handler added;
};

/* in.c */
struct relay_in {
	struct redis_handler read;
	ev_timer again; /* after a failure of the database */
	/* What this host wrote beyond the first and up to the second, it does not know any more. */
	int64_t forgotten_after, forgotten_until;
	bool is_newer_told; /* that somebody writes what we don't know was logged */
};

/* snapshot.c */
struct relay_answer {
	char nonce[ENTRY_NONCE_LEN + 1];
	double due; /* by the loop's clock */
};
struct relay_snapshot {
	char nonce[ENTRY_NONCE_LEN + 1]; /* of the one that we wait for; "": none */
	char position[REPLICA_TEXT_MAX + 1];
	double heard;    /* when it was asked for, or went on */
	double patience; /* seconds */
	struct relay_answer answers[RELAY_ANSWERS_MAX]; /* that we may give; the first is under way */
	size_t answer_count;
	bool answering;
	size_t waiting;  /* entries of it that wait for Redis's answer */
	bool ended;
	enum thing_kind kind;
	char id[REPLICA_TEXT_MAX + 1];
	ev_timer due;
	struct redis_handler taken, added;
};

/* vouch.c */
struct relay_vouch {
	ev_timer due;
	enum thing_kind kind; /* up to this one all were looked at */
	char id[REPLICA_TEXT_MAX + 1];
	int64_t count; /* written */
};

/* beat.c */
struct relay_beat {
	ev_timer timer;
	unsigned count;
	struct redis_handler clock, end, hosts, told;
	char last[REPLICA_TEXT_MAX + 1]; /* the stream's last entry */
	char instance[REPLICA_TEXT_MAX + 1]; /* of this process */
	bool is_told;    /* since the link is up, this host said how it is */
	int64_t twin_ms; /* when a twin did so, after us; 0: none has */
	unsigned twins;  /* how often in a row */
};

/* What a host says: "token ms sent entry position waiting instance". */
struct said {
	char token[REPLICA_TEXT_MAX + 1];
	int64_t at_ms; /* by Redis's clock */
	int64_t sent;
	struct entry_id entry;
	struct entry_id position;
	int64_t waiting;
	char instance[REPLICA_TEXT_MAX + 1]; /* "": an older relay, which does not say */
};

struct relay {
	struct ev_loop *loop;
	const struct config *config;
	const char *password;
	struct store *store;
	struct bell *bell;
	struct relay_keys keys;
	struct replica replica;
	struct origins origins;
	ev_io ring;
	ev_timer poll;
	struct relay_link link;
	struct relay_out out;
	struct relay_in in;
	struct relay_snapshot snapshot;
	struct relay_vouch vouch;
	struct relay_beat beat;
	bool failed; /* the loop was ended because going on makes no sense */
};

/* Begins to work on an open database that takes part; the rest is done by the loop. All borrowed.
 * */
void relay_start(struct relay *relay);
/* Writes down how far it is, and closes all that it opened. */
void relay_stop(struct relay *relay);

/* Runs fn in a transaction after all that is new here was captured; then commits, rings the bell if
 * *ring was set, and sends what was captured. What fn did to replica and origins is undone on
 * failure. fn may be NULL. The failure is logged. */
typedef enum err (*relay_fn)(struct relay *relay, void *arg, bool *ring);
enum err relay_transact(struct relay *relay, relay_fn fn, void *arg) MUST_USE;

/* Logs what the database just failed with; ERR_OK: nothing. What waits for another is a warning. */
void relay_note_failure(const struct relay *relay, enum err err);

/* Has the timer, which does not repeat, fire after so many seconds, and not when it was due before. */
void relay_timer_restart(struct relay *relay, ev_timer *timer, double seconds);

/* The time in milliseconds by Redis's clock. */
int64_t relay_redis_ms(const struct relay *relay);

/* link.c */
void link_start(struct relay *relay);
void link_stop(struct relay *relay);
void link_down(struct relay *relay, const char *why);
/* An answer that is an error takes the link down; returns whether it was one. */
bool link_refused(struct relay *relay, const redisReply *reply);

/* out.c: sends what there is, as far as there is room. */
void out_start(struct relay *relay);
void out_stop(struct relay *relay);
void out_reset(struct relay *relay); /* to what is known to be in the stream */
void out_pump(struct relay *relay);
/* "XADD key [MAXLEN ~ n] *", to be followed by an entry. limit 0: none. */
void out_command(struct entry_args *args, const char *key, int64_t limit);
/* May so many more be under way? */
bool out_has_room(const struct relay *relay, size_t count);
/* Writes an entry that is not counted to the stream, if there is room. */
void out_write(struct relay *relay, const struct entry *entry);

/* in.c: reads on from the position. */
void in_follow(struct relay *relay);
/* This host wrote up to n, of which it knows nothing beyond `known`: within a transaction. */
enum err in_forgot(struct relay *relay, int64_t known, int64_t n) MUST_USE;
void in_start(struct relay *relay);
void in_stop(struct relay *relay);

/* snapshot.c */
void snapshot_start(struct relay *relay);
void snapshot_stop(struct relay *relay);
void snapshot_reset(struct relay *relay); /* the link is down */
void snapshot_want(struct relay *relay); /* asks for one if something is missing */
void snapshot_asked(struct relay *relay, const struct entry *ask);
void snapshot_ended(struct relay *relay);

/* vouch.c */
void vouch_start(struct relay *relay);
void vouch_stop(struct relay *relay);
void vouch_begin(struct relay *relay); /* Redis lost what we had read */

/* beat.c */
void beat_start(struct relay *relay);
void beat_stop(struct relay *relay);
void beat_reset(struct relay *relay); /* the link is down */
bool beat_read(struct text t, struct said *out);
/* Was it said so lately that whoever said it is there? */
bool beat_is_fresh(const struct relay *relay, const struct said *said);

#endif
