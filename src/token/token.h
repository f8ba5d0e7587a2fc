/*
 * token.h: JSON Web Tokens (RFC 7519), signed with HS256, RS256 or ES256. The only module that sees
 * libjwt.
 *
 * libjwt checks the signature and nothing else, by whatever algorithm the token names. So the
 * algorithm is pinned before and after decoding to that of the key, and every claim is checked here,
 * with the caller's clock.
 */
#ifndef TOKEN_TOKEN_H
#define TOKEN_TOKEN_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "model/access.h"
#include "model/id.h"
#include "token/keys.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_MAX 8192 /* bytes; libjwt copies a token to the stack */

/* What a token must say beside its signature. The strings are borrowed; "" means: not checked. */
struct token_rules {
	const char *issuer;
	const char *audience;
	int64_t leeway; /* seconds */
};

struct token_claims {
	struct id user;    /* sub */
	int64_t expires;   /* exp, seconds since 1970; or the key's not_after, if that is earlier */
	enum role role;    /* the role claim; ROLE_NONE if absent or unknown. Counts only where the
	                    * configuration says users = token. */
	uint64_t key;      /* the fingerprint of the key that verified it: token_keys_know and
	                    * token_keys_end tell later if and how long it still counts */
};

/* How a token can fail. Times must be whole seconds up to the year 9999: a fraction, and a time in
 * milliseconds, are TOKEN_CLAIMS. A header `typ` other than JWT is TOKEN_TYPE. */
enum token_cause {
	TOKEN_OK,
	TOKEN_MALFORMED,
	TOKEN_ALGORITHM, /* none of ours, not that of the key it names, or there is no key for it */
	TOKEN_SIGNATURE,
	TOKEN_CLAIMS, /* sub or exp missing, or a claim of the wrong type */
	TOKEN_EXPIRED,
	TOKEN_NOT_YET, /* nbf or iat lies in the future */
	TOKEN_ISSUER,
	TOKEN_AUDIENCE,
	TOKEN_TYPE,
	TOKEN_KEY_EXPIRED, /* well signed, with a key that has come to its end */
	TOKEN_TICKET, /* a one-time ticket that never was, was used, or has expired */
	TOKEN_FAULT, /* ours: no memory */
};

/* A word for the log, such as "expired". */
const char *token_cause_name(enum token_cause cause);

/*
 * Verifies; *out is filled in only on TOKEN_OK. Safe from several threads at once.
 *
 * If the header's kid names a key, by that key alone; otherwise by all keys of the header's
 * algorithm in turn. A key's not_after counts to the second, without leeway: it is our own clock's.
 */
enum token_cause token_verify(const struct token_keys *keys, const struct token_rules *rules,
    struct text token, int64_t now, struct token_claims *out) MUST_USE;

/*
 * Appends a token with sub, exp, iat, type "access", role (unless ROLE_NONE), and iss and aud where
 * the rules name them; signed with the key of token_keys_signer, whose kid (if any) the header gets.
 * ERR_ABSENT: there is none; ERR_NOMEM; ERR_LIMIT: it is longer than TOKEN_MAX, or than out may grow.
 */
enum err token_mint(const struct token_keys *keys, const struct token_rules *rules,
    const struct token_claims *claims, int64_t now, struct buf *out) MUST_USE;

#endif
