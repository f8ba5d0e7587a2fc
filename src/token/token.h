/*
 * token.h: JSON Web Tokens (RFC 7519), signed with HS256. The only module that sees libjwt.
 *
 * libjwt checks the signature and nothing else, by whatever algorithm the token names. So the
 * algorithm is pinned before and after decoding, and every claim is checked here, with the caller's
 * clock.
 */
#ifndef TOKEN_TOKEN_H
#define TOKEN_TOKEN_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "model/access.h"
#include "model/id.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_MAX 8192     /* bytes; libjwt copies a token to the stack */
#define TOKEN_SECRET_MIN 32 /* RFC 7518 section 3.2: a key as long as the hash */
#define TOKEN_SECRET_MAX 1024

struct token_keys; /* what tokens are verified and signed with */

/* What a token must say beside its signature. The strings are borrowed; "" means: not checked. */
struct token_rules {
	const char *issuer;
	const char *audience;
	int64_t leeway; /* seconds */
};

struct token_claims {
	struct id user;    /* sub */
	int64_t expires;   /* exp, seconds since 1970 */
	enum role role;    /* the role claim; ROLE_NONE if absent or unknown. Counts only where the
	                    * configuration says users = token. */
	uint64_t key;      /* which key verified it: token_keys_know tells later if it still counts */
};

/* How a token can fail. Times must be whole seconds up to the year 9999: a fraction, and a time in
 * milliseconds, are TOKEN_CLAIMS. A header `typ` other than JWT is TOKEN_TYPE. */
enum token_cause {
	TOKEN_OK,
	TOKEN_MALFORMED,
	TOKEN_ALGORITHM,
	TOKEN_SIGNATURE,
	TOKEN_CLAIMS, /* sub or exp missing, or a claim of the wrong type */
	TOKEN_EXPIRED,
	TOKEN_NOT_YET, /* nbf or iat lies in the future */
	TOKEN_ISSUER,
	TOKEN_AUDIENCE,
	TOKEN_TYPE,
	TOKEN_TICKET, /* a one-time ticket that never was, was used, or has expired */
	TOKEN_FAULT, /* ours: no memory */
};

/* A word for the log, such as "expired". */
const char *token_cause_name(enum token_cause cause);

/*
 * Reads the secret from a file: its content without trailing newline. Refused (ERR_INPUT) are files
 * with fewer than TOKEN_SECRET_MIN bytes, ERR_LIMIT more than TOKEN_SECRET_MAX; ERR_DENIED: others
 * than owner and group can read it; ERR_SYSTEM: see errno. why gets one line that names the file.
 */
enum err token_keys_load(const char *path, struct token_keys **out, struct buf *why) MUST_USE;

/* The same with the secret itself; for tests. */
enum err token_keys_new(struct text secret, struct token_keys **out) MUST_USE;

/* Wipes, frees and sets the pointer to NULL. */
void token_keys_free(struct token_keys **keys);

/* Is the key of this token_claims.key one of these? */
bool token_keys_know(const struct token_keys *keys, uint64_t key);

/* Verifies; *out is filled in only on TOKEN_OK. Safe from several threads at once. */
enum token_cause token_verify(const struct token_keys *keys, const struct token_rules *rules,
    struct text token, int64_t now, struct token_claims *out) MUST_USE;

/*
 * Appends a token with sub, exp, iat, type "access", role (unless ROLE_NONE), and iss and aud where
 * the rules name them. ERR_NOMEM; ERR_LIMIT: it is longer than TOKEN_MAX, or than out may grow.
 */
enum err token_mint(const struct token_keys *keys, const struct token_rules *rules,
    const struct token_claims *claims, int64_t now, struct buf *out) MUST_USE;

#endif
