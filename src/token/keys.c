/* keys.c: reading keys from files and from the configured list, and holding them. */
#include "token/keys.h"

#include "base/digest.h"
#include "base/timestamp.h"
#include "token/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


struct token_keys {
	size_t count;
	struct token_key *list[TOKEN_KEYS_MAX + 1]; /* the one without a name, if any, is the first */
};

static const char *const alg_names[] = {
	[TOKEN_HS256] = "HS256",
	[TOKEN_RS256] = "RS256",
	[TOKEN_ES256] = "ES256",
};

const char *
token_alg_name(enum token_alg alg)
{
	return alg_names[alg];
}

bool
token_alg_parse(struct text name, enum token_alg *out)
{
	for (size_t i = 0; i < countof(alg_names); i++) {
		if (text_is(name, alg_names[i])) {
			*out = (enum token_alg)i;
			return true;
		}
	}
	return false;
}

/* --- the ring --- */

static void
key_free(struct token_key **address)
{
	struct token_key *key = *address;

	*address = NULL;
	if (key == NULL)
		return;
	explicit_bzero(key, sizeof(*key));
	free(key);
}

void
token_keys_free(struct token_keys **address)
{
	struct token_keys *keys = *address;

	*address = NULL;
	if (keys == NULL)
		return;
	for (size_t i = 0; i < keys->count; i++)
		key_free(&keys->list[i]);
	free(keys);
}

int64_t
token_keys_end(const struct token_keys *keys, uint64_t fingerprint)
{
	int64_t end = 0;

	for (size_t i = 0; i < keys->count; i++)
		if (keys->list[i]->fingerprint == fingerprint && keys->list[i]->not_after > end)
			end = keys->list[i]->not_after;
	return end;
}

bool
token_keys_know(const struct token_keys *keys, uint64_t fingerprint)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->list[i]->fingerprint == fingerprint)
			return true;
	return false;
}

const struct token_key *
token_keys_find(const struct token_keys *keys, struct text kid)
{
	if (kid.len == 0) /* no name is nobody's name */
		return NULL;
	for (size_t i = 0; i < keys->count; i++)
		if (text_is(kid, keys->list[i]->kid))
			return keys->list[i];
	return NULL;
}

const struct token_key *
token_keys_next(const struct token_keys *keys, size_t *pos)
{
	return *pos < keys->count ? keys->list[(*pos)++] : NULL;
}

const struct token_key *
token_keys_signer(const struct token_keys *keys, int64_t now)
{
	const struct token_key *signer = NULL;

	for (size_t i = 0; i < keys->count; i++) {
		const struct token_key *key = keys->list[i];

		if (key->alg != TOKEN_HS256 || now >= key->not_after)
			continue;
		if (key->kid[0] == '\0')
			return key;
		signer = key;
	}
	return signer;
}

/*
 * Names a key without telling anything of it. The kid is not in it: a key that is given a name, or
 * another one, is still the same, and whoever came in by it stays.
 */
static enum err
fingerprint(struct token_key *key)
{
	static const char domain[] = "milepost token key:";
	uint8_t input[sizeof(domain) + 1 + TOKEN_KEY_MAX], hash[SHA256_LEN];
	size_t len = sizeof(domain);
	enum err err;

	memcpy(input, domain, len);
	input[len++] = (uint8_t)key->alg;
	memcpy(input + len, key->content, key->len);
	err = digest_sha256(input, len + key->len, hash);
	explicit_bzero(input, sizeof(input));
	if (err == ERR_OK)
		memcpy(&key->fingerprint, hash, sizeof(key->fingerprint));
	return err;
}

/* Takes the key if it answers ERR_OK. */
static enum err
add(struct token_keys *keys, struct token_key *key)
{
	enum err err = fingerprint(key);

	if (err == ERR_OK)
		keys->list[keys->count++] = key;
	return err;
}

/* --- secrets --- */

static enum err
set_secret(struct token_key *key, struct text secret)
{
	/* With an empty key libjwt verifies nothing and accepts everything. */
	if (secret.len < TOKEN_SECRET_MIN)
		return ERR_INPUT;
	if (secret.len > TOKEN_SECRET_MAX)
		return ERR_LIMIT;
	key->len = secret.len;
	memcpy(key->content, secret.s, secret.len);
	return ERR_OK;
}

static struct token_key *
key_new(enum token_alg alg)
{
	struct token_key *key = calloc(1, sizeof(*key));

	if (key == NULL)
		return NULL;
	key->alg = alg;
	key->not_after = TOKEN_FOREVER;
	return key;
}

enum err
token_keys_new(struct text secret, struct token_keys **out)
{
	struct token_keys *keys = calloc(1, sizeof(*keys));
	struct token_key *key = key_new(TOKEN_HS256);
	enum err err = keys == NULL || key == NULL ? ERR_NOMEM : set_secret(key, secret);

	if (err == ERR_OK)
		err = add(keys, key);
	if (err == ERR_OK) {
		*out = keys;
		return ERR_OK;
	}
	key_free(&key);
	token_keys_free(&keys);
	return err;
}

static struct text
without_newline(struct text t)
{
	if (t.len == 0 || t.s[t.len - 1] != '\n')
		return t;
	t.len--;
	if (t.len > 0 && t.s[t.len - 1] == '\r')
		t.len--;
	return t;
}

static enum err
take_secret(struct token_key *key, const char *path, struct text file, struct buf *why)
{
	struct text secret = without_newline(file);
	enum err err;

	/* A public key is known to everybody: as a secret it would let everybody sign. */
	if (pem_is_in(secret)) {
		buf_printf(why, "%s: a PEM file is no secret for HS256", path);
		return ERR_INPUT;
	}
	err = set_secret(key, secret);
	if (err == ERR_INPUT)
		buf_printf(why, "%s: the secret has %zu bytes, at least %d are needed", path,
		    secret.len, TOKEN_SECRET_MIN);
	else if (err == ERR_LIMIT)
		buf_printf(why, "%s: the secret is longer than %d bytes", path, TOKEN_SECRET_MAX);
	return err;
}

static enum err
take_public(struct token_key *key, const char *path, struct text file, struct buf *why)
{
	struct buf pem = BUF_INIT(TOKEN_KEY_MAX);
	enum err err = pem_read(key->alg == TOKEN_RS256 ? PEM_RSA : PEM_P256, path, file, &pem, why);

	if (err == ERR_OK) {
		key->len = pem.len;
		memcpy(key->content, pem.data, pem.len);
	}
	buf_fini(&pem);
	return err;
}

/* --- files --- */

/* Reads to the end, or until size bytes are there. Returns -1 on failure. */
static ssize_t
read_all(int fd, char *data, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, data + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static enum err
check_mode(mode_t mode, enum token_alg alg, const char *path, struct buf *why)
{
	if (alg == TOKEN_HS256 && (mode & S_IRWXO) != 0)
		buf_printf(why, "%s: the secret is open to others; close it with: chmod o-rwx %s",
		    path, path);
	else if ((mode & S_IWOTH) != 0)
		buf_printf(why, "%s: others may replace the key; forbid it with: chmod o-w %s", path,
		    path);
	else
		return ERR_OK;
	return ERR_DENIED;
}

/* May the file hold a key? A pipe may, so that a key can come from another program. */
static enum err
check_file(int fd, enum token_alg alg, const char *path, struct buf *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		return ERR_SYSTEM;
	}
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		buf_printf(why, "%s: not a file", path);
		return ERR_INPUT;
	}
	return check_mode(st.st_mode, alg, path, why);
}

/* Says why the key's file can't be opened, and what to do. */
static void
explain_open(enum token_alg alg, const char *path, int cause, struct buf *why)
{
	const char *advice = "";

	if (cause == EACCES)
		advice = "; the user of the services needs the right to read it";
	else if (cause == ENOENT && alg == TOKEN_HS256)
		advice = "; write the secret there that tokens are signed with, or draw one with: "
		         "milepostctl init";
	else if (cause == ENOENT)
		advice = "; write the public key there, or name another file in jwt_keys";
	buf_printf(why, "%s: %s%s", path, strerror(cause), advice);
}

/* Fills in the key's content from its file. */
static enum err
read_key(struct token_key *key, const char *path, struct buf *why)
{
	char data[PEM_FILE_MAX + 1]; /* one byte that is too many */
	ssize_t len;
	enum err err;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		explain_open(key->alg, path, errno, why);
		return ERR_SYSTEM;
	}
	err = check_file(fd, key->alg, path, why);
	if (err != ERR_OK)
		goto out;
	len = read_all(fd, data, sizeof(data));
	if (len < 0) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		err = ERR_SYSTEM;
		goto out;
	}
	err = (key->alg == TOKEN_HS256 ? take_secret : take_public)(key, path,
	    (struct text){ data, (size_t)len }, why);
out:
	explicit_bzero(data, sizeof(data));
	close(fd);
	return err;
}

/* Reads the file and takes the key, whatever comes of it. */
static enum err
read_and_add(struct token_keys *keys, struct token_key *key, const char *path, struct buf *why)
{
	enum err err = read_key(key, path, why);

	if (err == ERR_OK) {
		err = add(keys, key);
		if (err != ERR_OK)
			buf_printf(why, "%s: libcrypto fails", path);
	}
	if (err != ERR_OK)
		key_free(&key);
	return err;
}

static enum err
no_memory(struct buf *why)
{
	buf_puts(why, "no memory for the keys of tokens");
	return ERR_NOMEM;
}

/* --- the list --- */

/* The words of one key; absent where they were not given. */
struct entry {
	struct text kid, alg, file, not_after;
};

/* Begins what is wrong with an entry; the caller appends what. */
static void
blame(struct buf *why, const struct entry *entry)
{
	buf_printf(why, "jwt_keys: kid=%.*s: ", TEXT_ARG(entry->kid));
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes the next word off the list; false at its end. */
static bool
next_word(struct text *rest, struct text *out)
{
	while (rest->len > 0 && is_space(*rest->s)) {
		rest->s++;
		rest->len--;
	}
	*out = (struct text){ rest->s, 0 };
	while (out->len < rest->len && !is_space(out->s[out->len]))
		out->len++;
	rest->s += out->len;
	rest->len -= out->len;
	return out->len > 0;
}

static enum err
set_word(struct entry *entry, struct text word, struct buf *why)
{
	static const char *const names[] = { "alg=", "file=", "not_after=" };
	struct text *const places[] = { &entry->alg, &entry->file, &entry->not_after };
	struct text value = word;

	if (entry->kid.s == NULL) {
		buf_printf(why, "jwt_keys: \"%.*s\": a key begins with kid=", TEXT_ARG(word));
		return ERR_INPUT;
	}
	for (size_t i = 0; i < countof(names); i++) {
		if (!text_skip(&value, names[i]))
			continue;
		if (places[i]->s != NULL) {
			blame(why, entry);
			buf_printf(why, "%s is given twice", names[i]);
			return ERR_INPUT;
		}
		*places[i] = value;
		return ERR_OK;
	}
	blame(why, entry);
	buf_printf(why, "unknown word \"%.*s\"", TEXT_ARG(word));
	return ERR_INPUT;
}

static enum err
check_kid(const struct token_keys *keys, const struct entry *entry, struct buf *why)
{
	if (entry->kid.len == 0 || entry->kid.len > TOKEN_KID_MAX) {
		blame(why, entry);
		buf_printf(why, "a kid has 1 to %d characters", TOKEN_KID_MAX);
		return entry->kid.len == 0 ? ERR_INPUT : ERR_LIMIT;
	}
	for (size_t i = 0; i < entry->kid.len; i++) {
		if (entry->kid.s[i] <= ' ' || entry->kid.s[i] > '~') {
			blame(why, entry);
			buf_puts(why, "a kid is of visible ASCII characters");
			return ERR_INPUT;
		}
	}
	if (token_keys_find(keys, entry->kid) != NULL) {
		blame(why, entry);
		buf_puts(why, "this kid is given twice");
		return ERR_INPUT;
	}
	if (keys->count > 0 && keys->count - (keys->list[0]->kid[0] == '\0') >= TOKEN_KEYS_MAX) {
		blame(why, entry);
		buf_printf(why, "more than %d keys", TOKEN_KEYS_MAX);
		return ERR_LIMIT;
	}
	return ERR_OK;
}

/* Reads the words other than kid= and file=. */
static enum err
read_entry(const struct entry *entry, enum token_alg *alg, int64_t *not_after, struct buf *why)
{
	if (entry->alg.s == NULL || !token_alg_parse(entry->alg, alg)) {
		blame(why, entry);
		if (entry->alg.s == NULL)
			buf_puts(why, "alg= is missing");
		else
			buf_printf(why, "unknown alg \"%.*s\": not one of HS256, RS256, ES256",
			    TEXT_ARG(entry->alg));
		return ERR_INPUT;
	}
	if (entry->file.len == 0 || entry->file.len >= PATH_MAX) {
		blame(why, entry);
		buf_puts(why, entry->file.len == 0 ? "file= is missing" : "the file's path is too long");
		return ERR_INPUT;
	}
	*not_after = TOKEN_FOREVER;
	if (entry->not_after.s != NULL && !timestamp_parse(entry->not_after, not_after)) {
		blame(why, entry);
		buf_printf(why, "not_after \"%.*s\" is not a time such as 2026-12-31T00:00:00Z",
		    TEXT_ARG(entry->not_after));
		return ERR_INPUT;
	}
	return ERR_OK;
}

static enum err
add_entry(struct token_keys *keys, const struct entry *entry, struct buf *why)
{
	char path[PATH_MAX];
	struct token_key *key;
	enum token_alg alg;
	int64_t not_after;
	enum err err = check_kid(keys, entry, why);

	if (err == ERR_OK)
		err = read_entry(entry, &alg, &not_after, why);
	if (err != ERR_OK)
		return err;
	key = key_new(alg);
	if (key == NULL)
		return no_memory(why);
	key->not_after = not_after;
	memcpy(key->kid, entry->kid.s, entry->kid.len);
	memcpy(path, entry->file.s, entry->file.len);
	path[entry->file.len] = '\0';
	return read_and_add(keys, key, path, why);
}

static enum err
add_list(struct token_keys *keys, const char *list, struct buf *why)
{
	struct text rest = text_of(list), word;
	struct entry entry = { .kid = text_of(NULL) };
	enum err err = ERR_OK;

	while (err == ERR_OK && next_word(&rest, &word)) {
		if (!text_skip(&word, "kid=")) {
			err = set_word(&entry, word, why);
			continue;
		}
		if (entry.kid.s != NULL)
			err = add_entry(keys, &entry, why);
		entry = (struct entry){ .kid = word };
	}
	return err == ERR_OK && entry.kid.s != NULL ? add_entry(keys, &entry, why) : err;
}

static enum err
add_secret(struct token_keys *keys, const char *path, struct buf *why)
{
	struct token_key *key = key_new(TOKEN_HS256);

	return key == NULL ? no_memory(why) : read_and_add(keys, key, path, why);
}

enum err
token_keys_load(const char *path, const char *list, struct token_keys **out, struct buf *why)
{
	struct token_keys *keys = calloc(1, sizeof(*keys));
	enum err err = keys == NULL ? no_memory(why) : ERR_OK;

	if (err == ERR_OK && path[0] != '\0')
		err = add_secret(keys, path, why);
	if (err == ERR_OK)
		err = add_list(keys, list, why);
	if (err == ERR_OK && keys->count == 0) {
		buf_puts(why, "no key for tokens: jwt_secret_file is empty, and jwt_keys names none");
		err = ERR_INPUT;
	}
	if (err == ERR_OK)
		*out = keys;
	else
		token_keys_free(&keys);
	return err;
}
