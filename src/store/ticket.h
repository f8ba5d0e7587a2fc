/*
 * ticket.h: one-time tickets. milepost-api gives one out for a token; milepost-ws takes it in for a
 * connection, and it is gone. Only its SHA-256 is stored.
 */
#ifndef STORE_TICKET_H
#define STORE_TICKET_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "model/access.h"
#include "model/id.h"
#include "store/store.h"

#include <stdint.h>

#define TICKET_TEXT_LEN 47 /* "mpt_" and 43 characters of base64url: 256 random bits */
#define TICKET_SECONDS 30
#define TICKETS_PER_USER 100 /* unused ones at a time */

/* The token that a ticket stands for. Times are seconds since 1970. */
struct ticket_row {
	struct id user;
	enum role role;  /* what the token claims, or ROLE_NONE */
	uint64_t key;    /* which key verified the token */
	int64_t token_expires;
};

/*
 * Makes a ticket that is good for TICKET_SECONDS; must be called inside store_begin ... store_commit.
 * text gets it, which can't be had again. ERR_LIMIT: the user has TICKETS_PER_USER unused ones.
 */
enum err store_ticket_new(struct store *store, const struct ticket_row *row, int64_t now,
    char text[TICKET_TEXT_LEN + 1]) MUST_USE;

/* Takes a ticket: of any number of callers, in any number of processes, one gets ERR_OK. ERR_ABSENT:
 * there is none such (never was, was used, or has expired). */
enum err store_ticket_take(struct store *store, struct text ticket, int64_t now,
    struct ticket_row *out) MUST_USE;

#endif
