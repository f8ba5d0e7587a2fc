/* key.c: making, finding and revoking the keys of workers and backends. */
#include "store/key.h"

#include "store/secret.h"
#include "store/statement.h"

#include <string.h>

enum err
store_key_new(struct store *store, enum scope scope, struct text name, char text[KEY_TEXT_LEN + 1],
    struct key_row *out)
{
	struct statement st;
	struct key_row row = { .scope = scope, .name = name };
	uint8_t hash[SHA256_LEN];
	char key[KEY_TEXT_LEN + 1];
	enum err err = secret_make(scope == SCOPE_ADMIN ? "mpa_" : "mpw_", key, hash);

	if (err != ERR_OK)
		return err;
	st = statement_use(store, SQL_KEY_NEW);
	statement_bind_blob(&st, 1, hash, sizeof(hash));
	statement_bind_text(&st, 2, text_of(scope_name(scope)));
	statement_bind_text(&st, 3, name);
	if (statement_row(&st)) {
		row.number = statement_int(&st, 0);
		row.created_at = statement_int(&st, 1);
		statement_row(&st); /* the insertion is committed at the statement's end */
	}
	err = statement_done(&st, ERR_OK);
	if (err == ERR_OK) {
		memcpy(text, key, sizeof(key));
		*out = row;
	}
	explicit_bzero(key, sizeof(key));
	return err;
}

static void
read_key(struct statement *st, struct key_row *out)
{
	out->number = statement_int(st, 0);
	if (scope_parse(statement_text(st, 1), &out->scope) != ERR_OK)
		statement_odd(st);
	out->name = statement_text(st, 2);
	out->created_at = statement_int(st, 3);
}

enum err
store_key_hash(struct text key, uint8_t hash[SHA256_LEN])
{
	return digest_sha256(key.s, key.len, hash);
}

enum err
store_key_find(struct store *store, const uint8_t hash[SHA256_LEN], struct key_row *out)
{
	struct statement st = statement_use(store, SQL_KEY_BY_HASH);
	struct key_row row;
	enum err err = ERR_ABSENT;

	statement_bind_blob(&st, 1, hash, SHA256_LEN);
	if (statement_row(&st)) {
		read_key(&st, &row);
		err = statement_keep(store, (struct text *const[]){ &row.name }, 1);
	}
	err = statement_done(&st, err);
	if (err == ERR_OK)
		*out = row;
	return err;
}

enum err
store_key_delete(struct store *store, struct text name)
{
	struct statement st = statement_use(store, SQL_KEY_DELETE);

	statement_bind_text(&st, 1, name);
	return statement_delete(&st);
}

enum err
store_key_each(struct store *store, store_key_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_KEY_EACH);
	struct key_row row;

	while (statement_row(&st)) {
		read_key(&st, &row);
		if (st.err == ERR_OK)
			fn(arg, &row);
	}
	return statement_done(&st, ERR_OK);
}
