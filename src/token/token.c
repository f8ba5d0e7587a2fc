/* token.c: verifying and minting: libjwt for the signature, our own eyes for all the rest. */
#include "token/token.h"

#include "base/digest.h"
#include "wire/json.h"

#include <errno.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#define ES256_SIGNATURE_LEN 64 /* RFC 7518 section 3.4: two numbers of 32 bytes, no DER */
/* 9999-12-31T23:59:59Z. A time beyond it is most likely in milliseconds; and sums stay far from the
 * end of 64 bits. */
#define TIME_MAX INT64_C(253402300799)

/* Whom the header leaves to verify the token. */
struct choice {
	enum token_alg alg;
	const struct token_key *named; /* this key alone; NULL: all of the algorithm */
};

static const jwt_alg_t jwt_algs[] = {
	[TOKEN_HS256] = JWT_ALG_HS256,
	[TOKEN_RS256] = JWT_ALG_RS256,
	[TOKEN_ES256] = JWT_ALG_ES256,
};

static const char *const cause_names[] = {
	[TOKEN_OK] = "ok",
	[TOKEN_MALFORMED] = "malformed",
	[TOKEN_ALGORITHM] = "algorithm",
	[TOKEN_SIGNATURE] = "signature",
	[TOKEN_CLAIMS] = "claims",
	[TOKEN_EXPIRED] = "expired",
	[TOKEN_NOT_YET] = "not-yet",
	[TOKEN_ISSUER] = "issuer",
	[TOKEN_AUDIENCE] = "audience",
	[TOKEN_TYPE] = "type",
	[TOKEN_KEY_EXPIRED] = "key-expired",
	[TOKEN_TICKET] = "ticket",
	[TOKEN_FAULT] = "fault",
};

const char *
token_cause_name(enum token_cause cause)
{
	return cause_names[cause];
}

/* The three parts of header.payload.signature. */
static bool
split(struct text token, struct text parts[3])
{
	size_t n = 0, from = 0;

	for (size_t i = 0; i <= token.len; i++) {
		if (i < token.len && token.s[i] != '.')
			continue;
		if (n == 3)
			return false;
		parts[n++] = (struct text){ token.s + from, i - from };
		from = i + 1;
	}
	return n == 3;
}

static enum token_cause
parse_part(struct text part, struct json **out)
{
	uint8_t bytes[TOKEN_MAX];
	const char *why;
	size_t len;
	enum err err;

	if (digest_unbase64url(part, bytes, &len) != ERR_OK)
		return TOKEN_MALFORMED;
	err = json_parse((struct text){ (const char *)bytes, len }, out, &why);
	if (err == ERR_OK)
		return TOKEN_OK;
	return err == ERR_NOMEM ? TOKEN_FAULT : TOKEN_MALFORMED;
}

static bool
is_string(const struct json *json, const char *member, const char *wanted)
{
	return json_kind(json, member) == JSON_STRING && text_is(json_string(json, member), wanted);
}

/* Is there a key that this algorithm and name may choose? */
static enum token_cause
choose(const struct token_keys *keys, const struct json *header, struct choice *out)
{
	const struct token_key *key;
	enum json_kind kid = json_kind(header, "kid");
	size_t pos = 0;

	*out = (struct choice){ .named = NULL };
	if (json_kind(header, "alg") != JSON_STRING ||
	    !token_alg_parse(json_string(header, "alg"), &out->alg))
		return TOKEN_ALGORITHM;
	if (kid != JSON_ABSENT && kid != JSON_STRING)
		return TOKEN_MALFORMED;
	if (kid == JSON_STRING)
		out->named = token_keys_find(keys, json_string(header, "kid"));
	if (out->named != NULL)
		return out->named->alg == out->alg ? TOKEN_OK : TOKEN_ALGORITHM;
	while ((key = token_keys_next(keys, &pos)) != NULL)
		if (key->alg == out->alg)
			return TOKEN_OK;
	return TOKEN_ALGORITHM;
}

/* Before libjwt sees the token: it would verify by whatever algorithm the header names, a public key
 * as a secret among them; passes over `crit` (RFC 7515 section 4.1.11); and calls any other type than
 * JWT a bad signature. */
static enum token_cause
check_header(const struct token_keys *keys, struct text part, struct choice *out)
{
	struct json *header;
	enum json_kind typ;
	enum token_cause cause = parse_part(part, &header);

	if (cause != TOKEN_OK)
		return cause;
	typ = json_kind(header, "typ");
	cause = choose(keys, header, out);
	if (cause == TOKEN_OK && json_kind(header, "crit") != JSON_ABSENT)
		cause = TOKEN_MALFORMED;
	else if (cause == TOKEN_OK && typ != JSON_ABSENT &&
	    (typ != JSON_STRING || !text_is_nocase(json_string(header, "typ"), "JWT")))
		cause = TOKEN_TYPE;
	json_free(&header);
	return cause;
}

/* libjwt reads base64 with whatever stands between its characters. Of HS256 it compares the text. */
static bool
is_signature(enum token_alg alg, struct text part)
{
	uint8_t bytes[TOKEN_MAX];
	size_t len;

	if (alg == TOKEN_HS256)
		return true;
	if (digest_unbase64url(part, bytes, &len) != ERR_OK)
		return false;
	return alg != TOKEN_ES256 || len == ES256_SIGNATURE_LEN;
}

/* Verifies a NUL-terminated token by one key. */
static enum token_cause
try_key(const struct token_key *key, const char *token)
{
	jwt_t *jwt = NULL; /* a failing jwt_decode leaves it untouched */
	enum token_cause cause;
	int rc;

	/* Where no memory is left libjwt tells it only now and then, and may even answer 0: without it
	 * a token is not verified, nor is it proven wrong. */
	errno = 0;
	rc = jwt_decode(&jwt, token, key->content, (int)key->len);
	if (rc == ENOMEM || errno == ENOMEM)
		cause = TOKEN_FAULT;
	else if (rc != 0)
		cause = TOKEN_SIGNATURE;
	else
		cause = jwt_get_alg(jwt) == jwt_algs[key->alg] ? TOKEN_OK : TOKEN_ALGORITHM;
	jwt_free(jwt);
	return cause;
}

/* Tries the keys of the choice until one that still counts verifies it; *out is that one. */
static enum token_cause
try_keys(const struct token_keys *keys, const struct choice *choice, const char *token, int64_t now,
    const struct token_key **out)
{
	enum token_cause cause, worst = TOKEN_SIGNATURE;
	const struct token_key *key;
	size_t pos = 0;

	while ((key = token_keys_next(keys, &pos)) != NULL) {
		if (key->alg != choice->alg || (choice->named != NULL && key != choice->named))
			continue;
		cause = try_key(key, token);
		if (cause == TOKEN_OK && now >= key->not_after)
			cause = TOKEN_KEY_EXPIRED;
		if (cause == TOKEN_OK)
			*out = key;
		if (cause == TOKEN_OK || cause == TOKEN_FAULT)
			return cause;
		if (cause != TOKEN_SIGNATURE)
			worst = cause;
	}
	return worst;
}

static enum token_cause
check_signature(const struct token_keys *keys, const struct choice *choice, struct text token,
    struct text signature, int64_t now, struct token_claims *claims)
{
	char copy[TOKEN_MAX + 1];
	const struct token_key *key;
	enum token_cause cause;

	if (memchr(token.s, '\0', token.len) != NULL)
		return TOKEN_MALFORMED;
	if (!is_signature(choice->alg, signature))
		return TOKEN_SIGNATURE;
	memcpy(copy, token.s, token.len);
	copy[token.len] = '\0';
	cause = try_keys(keys, choice, copy, now, &key);
	if (cause == TOKEN_OK) {
		claims->key = key->fingerprint;
		claims->expires = key->not_after;
	}
	return cause;
}

/* Reads a time: whole seconds. False if it is of another type or no date. */
static bool
read_time(const struct json *claims, const char *name, int64_t *out)
{
	if (json_kind(claims, name) != JSON_INTEGER)
		return false;
	*out = json_integer(claims, name);
	return *out >= 0 && *out <= TIME_MAX;
}

/* nbf and iat: may be left out; must not lie in the future. */
static enum token_cause
check_past(const struct json *claims, const char *name, int64_t now, int64_t leeway)
{
	int64_t at;

	if (json_kind(claims, name) == JSON_ABSENT)
		return TOKEN_OK;
	if (!read_time(claims, name, &at))
		return TOKEN_CLAIMS;
	return at > now + leeway ? TOKEN_NOT_YET : TOKEN_OK;
}

/* Lowers *expires to exp. */
static enum token_cause
check_times(const struct json *claims, int64_t now, int64_t leeway, int64_t *expires)
{
	enum token_cause cause;
	int64_t exp;

	if (!read_time(claims, "exp", &exp))
		return TOKEN_CLAIMS;
	if (now >= exp + leeway)
		return TOKEN_EXPIRED;
	if (exp < *expires)
		*expires = exp;
	cause = check_past(claims, "nbf", now, leeway);
	return cause != TOKEN_OK ? cause : check_past(claims, "iat", now, leeway);
}

static enum token_cause
check_origin(const struct json *claims, const struct token_rules *rules)
{
	if (*rules->issuer != '\0' && !is_string(claims, "iss", rules->issuer))
		return TOKEN_ISSUER;
	if (*rules->audience != '\0' && !json_names(claims, "aud", text_of(rules->audience)))
		return TOKEN_AUDIENCE;
	/* A refresh token is signed with the same key, and is good for no request. */
	if (json_kind(claims, "type") != JSON_ABSENT && !is_string(claims, "type", "access"))
		return TOKEN_TYPE;
	return TOKEN_OK;
}

/* In out->expires stands already when the key ends. */
static enum token_cause
check_claims(const struct json *claims, const struct token_rules *rules, int64_t now,
    struct token_claims *out)
{
	enum token_cause cause;

	if (json_kind(claims, "sub") != JSON_STRING ||
	    id_parse(json_string(claims, "sub"), &out->user) != ERR_OK)
		return TOKEN_CLAIMS;
	cause = check_times(claims, now, rules->leeway, &out->expires);
	if (cause == TOKEN_OK)
		cause = check_origin(claims, rules);
	if (json_kind(claims, "role") != JSON_STRING ||
	    role_parse(json_string(claims, "role"), &out->role) != ERR_OK)
		out->role = ROLE_NONE;
	return cause;
}

enum token_cause
token_verify(const struct token_keys *keys, const struct token_rules *rules, struct text token,
    int64_t now, struct token_claims *out)
{
	struct token_claims claims = { .role = ROLE_NONE };
	struct choice choice;
	struct text parts[3];
	struct json *payload;
	enum token_cause cause;

	if (token.s == NULL || token.len > TOKEN_MAX || !split(token, parts))
		return TOKEN_MALFORMED;
	cause = check_header(keys, parts[0], &choice);
	if (cause != TOKEN_OK)
		return cause;
	/* Parsed by our strict reader: libjwt's takes the last of two members of one name. */
	cause = parse_part(parts[1], &payload);
	if (cause != TOKEN_OK)
		return cause;
	cause = check_signature(keys, &choice, token, parts[2], now, &claims);
	if (cause == TOKEN_OK)
		cause = check_claims(payload, rules, now, &claims);
	json_free(&payload);
	if (cause == TOKEN_OK)
		*out = claims;
	return cause;
}

/* Fills in the claims; false: no memory. */
static bool
add_claims(jwt_t *jwt, const struct token_rules *rules, const struct token_claims *claims,
    int64_t now)
{
	char sub[ID_TEXT_LEN + 1];

	id_format(&claims->user, sub);
	return jwt_add_grant(jwt, "sub", sub) == 0 && jwt_add_grant(jwt, "type", "access") == 0 &&
	    jwt_add_grant_int(jwt, "exp", claims->expires) == 0 &&
	    jwt_add_grant_int(jwt, "iat", now) == 0 &&
	    (claims->role == ROLE_NONE ||
	        jwt_add_grant(jwt, "role", role_name(claims->role)) == 0) &&
	    (*rules->issuer == '\0' || jwt_add_grant(jwt, "iss", rules->issuer) == 0) &&
	    (*rules->audience == '\0' || jwt_add_grant(jwt, "aud", rules->audience) == 0);
}

/* The token is checked, for without memory libjwt may sign with whatever lay on its heap. */
static enum err
encode(jwt_t *jwt, const struct token_key *key, struct buf *out)
{
	char *token = jwt_encode_str(jwt);
	enum err err = ERR_NOMEM;

	if (token != NULL && strlen(token) > TOKEN_MAX) {
		err = ERR_LIMIT;
	} else if (token != NULL && try_key(key, token) == TOKEN_OK) {
		buf_puts(out, token);
		err = out->err;
	}
	free(token);
	return err;
}

enum err
token_mint(const struct token_keys *keys, const struct token_rules *rules,
    const struct token_claims *claims, int64_t now, struct buf *out)
{
	const struct token_key *key = token_keys_signer(keys, now);
	jwt_t *jwt = NULL;
	enum err err = ERR_NOMEM;

	if (key == NULL)
		return ERR_ABSENT;
	if (jwt_new(&jwt) == 0 && add_claims(jwt, rules, claims, now) &&
	    (key->kid[0] == '\0' || jwt_add_header(jwt, "kid", key->kid) == 0) &&
	    jwt_set_alg(jwt, JWT_ALG_HS256, key->content, (int)key->len) == 0)
		err = encode(jwt, key, out);
	jwt_free(jwt);
	return err;
}
