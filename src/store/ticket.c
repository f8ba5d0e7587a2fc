/* ticket.c: giving tickets out, and taking them in once. */
#include "store/ticket.h"

#include "store/secret.h"
#include "store/statement.h"

#include <string.h>

static enum err
sweep(struct store *store, int64_t now)
{
	struct statement st = statement_use(store, SQL_TICKET_SWEEP);

	statement_bind_int(&st, 1, now);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

static enum err
count(struct store *store, const struct id *user, int64_t *out)
{
	struct statement st = statement_use(store, SQL_TICKET_COUNT);

	statement_bind_id(&st, 1, user);
	if (statement_row(&st))
		*out = statement_int(&st, 0);
	return statement_done(&st, ERR_OK);
}

static enum err
add(struct store *store, const struct ticket_row *row, const uint8_t hash[SHA256_LEN],
    int64_t expires)
{
	struct statement st = statement_use(store, SQL_TICKET_NEW);

	statement_bind_blob(&st, 1, hash, SHA256_LEN);
	statement_bind_id(&st, 2, &row->user);
	if (row->role != ROLE_NONE)
		statement_bind_text(&st, 3, text_of(role_name(row->role)));
	statement_bind_int(&st, 4, (int64_t)row->key);
	statement_bind_int(&st, 5, row->token_expires);
	statement_bind_int(&st, 6, expires);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_ticket_new(struct store *store, const struct ticket_row *row, int64_t now,
    char text[TICKET_TEXT_LEN + 1])
{
	uint8_t hash[SHA256_LEN];
	int64_t unused = 0;
	enum err err = statement_inside(store);

	if (err == ERR_OK)
		err = sweep(store, now);
	if (err == ERR_OK)
		err = count(store, &row->user, &unused);
	if (err == ERR_OK && unused >= TICKETS_PER_USER)
		err = ERR_LIMIT;
	if (err == ERR_OK)
		err = secret_make("mpt_", text, hash);
	return err == ERR_OK ? add(store, row, hash, now + TICKET_SECONDS) : err;
}

static void
read_ticket(struct statement *st, struct ticket_row *out)
{
	*out = (struct ticket_row){
		.role = ROLE_NONE,
		.key = (uint64_t)statement_int(st, 2),
		.token_expires = statement_int(st, 3),
	};
	statement_id(st, 0, &out->user);
	if (!statement_null(st, 1) && role_parse(statement_text(st, 1), &out->role) != ERR_OK)
		statement_odd(st);
}

enum err
store_ticket_take(struct store *store, struct text ticket, int64_t now, struct ticket_row *out)
{
	struct statement st;
	struct ticket_row row;
	uint8_t hash[SHA256_LEN];
	enum err err = digest_sha256(ticket.s, ticket.len, hash);

	if (err != ERR_OK)
		return err;
	st = statement_use(store, SQL_TICKET_TAKE);
	statement_bind_blob(&st, 1, hash, sizeof(hash));
	statement_bind_int(&st, 2, now);
	err = ERR_ABSENT;
	if (statement_row(&st)) {
		read_ticket(&st, &row);
		err = ERR_OK;
		statement_row(&st); /* the deletion is committed at the statement's end */
	}
	err = statement_done(&st, err);
	if (err == ERR_OK)
		*out = row;
	return err;
}
