/* token.c: verifying and minting: libjwt for the signature, our own eyes for all the rest. */
#include "token/token.h"

#include "base/digest.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALGORITHM "HS256"
/* 9999-12-31T23:59:59Z. A time beyond it is most likely in milliseconds; and sums stay far from the
 * end of 64 bits. */
#define TIME_MAX INT64_C(253402300799)

struct token_keys {
	size_t len;
	uint64_t fingerprint;
	uint8_t secret[TOKEN_SECRET_MAX];
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
	[TOKEN_TICKET] = "ticket",
	[TOKEN_FAULT] = "fault",
};

const char *
token_cause_name(enum token_cause cause)
{
	return cause_names[cause];
}

/* Names a key without telling anything of it. */
static enum err
fingerprint(struct text secret, uint64_t *out)
{
	static const char domain[] = "milepost token key:";
	uint8_t input[sizeof(domain) + TOKEN_SECRET_MAX], hash[SHA256_LEN];
	enum err err;

	memcpy(input, domain, sizeof(domain));
	memcpy(input + sizeof(domain), secret.s, secret.len);
	err = digest_sha256(input, sizeof(domain) + secret.len, hash);
	explicit_bzero(input, sizeof(input));
	if (err == ERR_OK)
		memcpy(out, hash, sizeof(*out));
	return err;
}

enum err
token_keys_new(struct text secret, struct token_keys **out)
{
	struct token_keys *keys;
	enum err err;

	/* With an empty key libjwt verifies nothing and accepts everything. */
	if (secret.len < TOKEN_SECRET_MIN)
		return ERR_INPUT;
	if (secret.len > TOKEN_SECRET_MAX)
		return ERR_LIMIT;
	keys = calloc(1, sizeof(*keys));
	if (keys == NULL)
		return ERR_NOMEM;
	keys->len = secret.len;
	memcpy(keys->secret, secret.s, secret.len);
	err = fingerprint(secret, &keys->fingerprint);
	if (err == ERR_OK)
		*out = keys;
	else
		token_keys_free(&keys);
	return err;
}

void
token_keys_free(struct token_keys **address)
{
	struct token_keys *keys = *address;

	*address = NULL;
	if (keys == NULL)
		return;
	explicit_bzero(keys, sizeof(*keys));
	free(keys);
}

bool
token_keys_know(const struct token_keys *keys, uint64_t key)
{
	return keys->fingerprint == key;
}

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

/* May the file hold a secret? A pipe may, so that a key can come from another program. */
static enum err
check_file(int fd, const char *path, struct buf *why)
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
	if ((st.st_mode & S_IRWXO) != 0) {
		buf_printf(why, "%s: the secret is open to others; close it with: chmod o-rwx %s",
		    path, path);
		return ERR_DENIED;
	}
	return ERR_OK;
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

enum err
token_keys_load(const char *path, struct token_keys **out, struct buf *why)
{
	char data[TOKEN_SECRET_MAX + 3]; /* the longest, a newline, and one byte that is too many */
	struct text secret;
	ssize_t len;
	enum err err;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		return ERR_SYSTEM;
	}
	err = check_file(fd, path, why);
	if (err != ERR_OK)
		goto out;
	len = read_all(fd, data, sizeof(data));
	if (len < 0) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		err = ERR_SYSTEM;
		goto out;
	}
	secret = without_newline((struct text){ data, (size_t)len });
	err = token_keys_new(secret, out);
	if (err == ERR_INPUT)
		buf_printf(why, "%s: the secret has %zu bytes, at least %d are needed", path,
		    secret.len, TOKEN_SECRET_MIN);
	else if (err == ERR_LIMIT)
		buf_printf(why, "%s: the secret is longer than %d bytes", path, TOKEN_SECRET_MAX);
	else if (err != ERR_OK)
		buf_printf(why, "%s: %s", path, err == ERR_NOMEM ? "no memory" : "libcrypto fails");
out:
	explicit_bzero(data, sizeof(data));
	close(fd);
	return err;
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

/* Before libjwt sees the token: it would verify by whatever algorithm the header names, passes over
 * `crit` (RFC 7515 section 4.1.11), and calls any other type than JWT a bad signature. */
static enum token_cause
check_header(struct text part)
{
	struct json *header;
	enum json_kind typ;
	enum token_cause cause = parse_part(part, &header);

	if (cause != TOKEN_OK)
		return cause;
	typ = json_kind(header, "typ");
	if (!is_string(header, "alg", ALGORITHM))
		cause = TOKEN_ALGORITHM;
	else if (json_kind(header, "crit") != JSON_ABSENT)
		cause = TOKEN_MALFORMED;
	else if (typ != JSON_ABSENT &&
	    (typ != JSON_STRING || !text_is_nocase(json_string(header, "typ"), "JWT")))
		cause = TOKEN_TYPE;
	json_free(&header);
	return cause;
}

static enum token_cause
check_signature(const struct token_keys *keys, struct text token)
{
	char copy[TOKEN_MAX + 1];
	jwt_t *jwt = NULL; /* a failing jwt_decode leaves it untouched */
	enum token_cause cause;
	int rc;

	if (memchr(token.s, '\0', token.len) != NULL)
		return TOKEN_MALFORMED;
	memcpy(copy, token.s, token.len);
	copy[token.len] = '\0';
	/* Where no memory is left libjwt tells it only now and then, and may even answer 0: without it
	 * a token is not verified, nor is it proven wrong. */
	errno = 0;
	rc = jwt_decode(&jwt, copy, keys->secret, (int)keys->len);
	if (rc == ENOMEM || errno == ENOMEM)
		cause = TOKEN_FAULT;
	else if (rc != 0)
		cause = TOKEN_SIGNATURE;
	else
		cause = jwt_get_alg(jwt) == JWT_ALG_HS256 ? TOKEN_OK : TOKEN_ALGORITHM;
	jwt_free(jwt);
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

static enum token_cause
check_times(const struct json *claims, int64_t now, int64_t leeway, int64_t *expires)
{
	enum token_cause cause;

	if (!read_time(claims, "exp", expires))
		return TOKEN_CLAIMS;
	if (now >= *expires + leeway)
		return TOKEN_EXPIRED;
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
	struct token_claims claims = { .key = keys->fingerprint };
	struct text parts[3];
	struct json *payload;
	enum token_cause cause;

	if (token.s == NULL || token.len > TOKEN_MAX || !split(token, parts))
		return TOKEN_MALFORMED;
	cause = check_header(parts[0]);
	if (cause != TOKEN_OK)
		return cause;
	/* Parsed by our strict reader: libjwt's takes the last of two members of one name. */
	cause = parse_part(parts[1], &payload);
	if (cause != TOKEN_OK)
		return cause;
	cause = check_signature(keys, token);
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

enum err
token_mint(const struct token_keys *keys, const struct token_rules *rules,
    const struct token_claims *claims, int64_t now, struct buf *out)
{
	jwt_t *jwt = NULL;
	char *token = NULL;
	enum err err = ERR_NOMEM;

	if (jwt_new(&jwt) == 0 && add_claims(jwt, rules, claims, now) &&
	    jwt_set_alg(jwt, JWT_ALG_HS256, keys->secret, (int)keys->len) == 0)
		token = jwt_encode_str(jwt);
	if (token != NULL && strlen(token) > TOKEN_MAX) {
		err = ERR_LIMIT;
	} else if (token != NULL && check_signature(keys, text_of(token)) == TOKEN_OK) {
		/* Checked, for without memory libjwt may sign with whatever lay on its heap. */
		buf_puts(out, token);
		err = out->err;
	}
	free(token);
	jwt_free(jwt);
	return err;
}
