/*
 * keys.h: the keys that tokens are verified and signed with: read from files, chosen by kid.
 *
 * Of RS256 and ES256 only public keys are held. A key is bound to one algorithm by the
 * configuration: what a token says of itself chooses among the keys, never what is done with one.
 */
#ifndef TOKEN_KEYS_H
#define TOKEN_KEYS_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_SECRET_MIN 32 /* RFC 7518 section 3.2: a key as long as the hash */
#define TOKEN_SECRET_MAX 1024
#define TOKEN_KEYS_MAX 16       /* named ones */
#define TOKEN_KID_MAX 64
#define TOKEN_KEY_MAX 4096      /* bytes of a secret, or of a public key as PEM */
#define TOKEN_FOREVER INT64_MAX

enum token_alg { TOKEN_HS256, TOKEN_RS256, TOKEN_ES256 };

struct token_key {
	enum token_alg alg;
	char kid[TOKEN_KID_MAX + 1]; /* "": of jwt_secret_file, which has no name */
	int64_t not_after;           /* seconds since 1970: the first at which it counts no more */
	uint64_t fingerprint;        /* of algorithm and content; tells nothing of them */
	size_t len;
	uint8_t content[TOKEN_KEY_MAX]; /* the secret, or the public key as PEM, written by us */
};

struct token_keys; /* a ring of at least one key */

/* "HS256", "RS256" or "ES256", and back; exactly so written. */
const char *token_alg_name(enum token_alg alg);
bool token_alg_parse(struct text name, enum token_alg *out);

/*
 * Reads the secret from the file at path ("": there is none), and the keys of the list: entries of
 * words separated by white space, kid=NAME first, then alg=HS256|RS256|ES256, file=PATH and perhaps
 * not_after=YYYY-MM-DDTHH:MM:SSZ. A secret is the content of its file without trailing newline; a
 * public key is one PEM block. A key that has come to its end is none the less read.
 *
 * why gets one line that names the file or the kid. ERR_INPUT: neither names a key, the list has
 * something wrong in it, a secret with fewer than TOKEN_SECRET_MIN bytes or that is a PEM block, a
 * file that holds no public key, or one that does not fit the algorithm; ERR_LIMIT: a secret of more
 * than TOKEN_SECRET_MAX bytes, a public key or a kid that is too long, or too many keys; ERR_DENIED:
 * others than owner and group can read or write a secret, or write a public key; ERR_SYSTEM: a file
 * can't be read.
 */
enum err token_keys_load(const char *path, const char *list, struct token_keys **out,
    struct buf *why) MUST_USE;

/* A ring of this secret alone; for tests. */
enum err token_keys_new(struct text secret, struct token_keys **out) MUST_USE;

/* Wipes, frees and sets the pointer to NULL. */
void token_keys_free(struct token_keys **keys);

/* Is the key of this fingerprint one of these? */
bool token_keys_know(const struct token_keys *keys, uint64_t fingerprint);

/* The not_after of the key; the latest, if it is there by several names; 0: unknown. */
int64_t token_keys_end(const struct token_keys *keys, uint64_t fingerprint);

/* --- for token.c; what they return lives as long as the ring --- */

/* The key of this name, or NULL. */
const struct token_key *token_keys_find(const struct token_keys *keys, struct text kid);

/* Walks the keys: start with *pos = 0 and call until NULL. */
const struct token_key *token_keys_next(const struct token_keys *keys, size_t *pos);

/* What tokens are signed with: the secret without a name, else the last HS256 key of the list that
 * has not come to its end, else NULL. */
const struct token_key *token_keys_signer(const struct token_keys *keys, int64_t now);

#endif
