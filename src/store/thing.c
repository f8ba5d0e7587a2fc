/* thing.c: what the hosts agreed on, row by row, and who shows a label that two claim. */
#include "store/thing.h"

void
thing_read(struct statement *st, int at, struct thing *out)
{
	*out = (struct thing){
		.id = statement_text(st, at + 1),
		.life = statement_int(st, at + 2),
		.deleted = statement_int(st, at + 3) != 0,
		.version = statement_int(st, at + 4),
		.host = statement_text(st, at + 5),
		.detail = statement_text(st, at + 6),
		.active = statement_int(st, at + 7) != 0,
		.label = statement_text(st, at + 8),
		.password = statement_text(st, at + 9),
		.created_at = statement_int(st, at + 10),
	};
	if (thing_kind_parse(statement_text(st, at), &out->kind) != ERR_OK)
		statement_odd(st);
}

bool
thing_find(struct statement *st, enum thing_kind kind, struct text id, struct kept *out)
{
	statement_bind_text(st, 1, text_of(thing_kind_name(kind)));
	statement_bind_text(st, 2, id);
	if (!statement_row(st))
		return false;
	thing_read(st, 0, &out->thing);
	out->shown = statement_text(st, 11);
	out->number = statement_int(st, 12);
	return st->err == ERR_OK;
}

enum err
thing_put(struct store *store, const struct kept *kept)
{
	struct statement st = statement_use(store, SQL_THING_PUT);
	const struct thing *thing = &kept->thing;

	statement_bind_text(&st, 1, text_of(thing_kind_name(thing->kind)));
	statement_bind_text(&st, 2, thing->id);
	statement_bind_int(&st, 3, thing->life);
	statement_bind_int(&st, 4, thing->deleted);
	statement_bind_int(&st, 5, thing->version);
	statement_bind_text(&st, 6, thing->host);
	statement_bind_text(&st, 7, thing->detail);
	statement_bind_int(&st, 8, thing->active);
	statement_bind_text(&st, 9, thing->label);
	statement_bind_text(&st, 10, thing->password);
	statement_bind_int(&st, 11, thing->created_at);
	statement_bind_text(&st, 12, kept->shown);
	statement_bind_int(&st, 13, kept->number);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

static enum err
run_claim(struct store *store, enum sql sql, enum thing_kind kind, struct text label)
{
	struct statement st = statement_use(store, sql);

	statement_bind_text(&st, 1, text_of(thing_kind_name(kind)));
	statement_bind_text(&st, 2, label);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

/* Those who yield come first: a label is unique in its table at every moment. */
enum err
thing_settle(struct store *store, enum thing_kind kind, struct text label)
{
	static const enum sql user[] = { SQL_CLAIM, SQL_CLAIM_YIELD_USER, SQL_CLAIM_TAKE_USER };
	static const enum sql key[] = { SQL_CLAIM, SQL_CLAIM_YIELD_KEY, SQL_CLAIM_TAKE_KEY };
	const enum sql *steps = kind == THING_USER ? user : key;
	enum err err = ERR_OK;

	if (label.s == NULL)
		return ERR_OK;
	for (size_t i = 0; i < countof(user) && err == ERR_OK; i++)
		err = run_claim(store, steps[i], kind, label);
	return err;
}

enum err
thing_key_hash(struct text id, uint8_t out[SHA256_LEN])
{
	if (id.len != 2 * SHA256_LEN)
		return ERR_INPUT;
	for (size_t i = 0; i < SHA256_LEN; i++) {
		int high = text_hex_value(id.s[2 * i]), low = text_hex_value(id.s[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_INPUT;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return ERR_OK;
}
