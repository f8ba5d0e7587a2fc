/*
 * test-token.c: every way in which a token can be wrong, libjwt's known traps among them. The
 * tokens are made here, by libcrypto alone, so that libjwt does not judge its own work.
 */
#include "token/token.h"

#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET "an-example-secret-of-forty-bytes-exactly"
#define USER "550e8400-e29b-41d4-a716-446655440000"
#define SUB "\"sub\":\"" USER "\""
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define NOW 1766140200

static const struct token_rules lax = { "", "", 30 };
static const struct token_rules strict = { "https://issuer.example", "milepost", 30 };

static void
base64url(struct buf *out, const void *data, size_t len)
{
	char *text = malloc(4 * ((len + 2) / 3) + 1);

	assert_non_null(text);
	digest_base64(data, len, text);
	for (char *c = text; *c != '\0' && *c != '='; c++)
		buf_puts(out, *c == '+' ? "-" : *c == '/' ? "_" : (char[]){ *c, '\0' });
	free(text);
}

/* header.payload.signature, signed with this hash; NULL: with an empty signature. */
static struct text
sign(struct buf *out, const char *header, const char *payload, const EVP_MD *md, const char *secret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;

	buf_reset(out);
	base64url(out, header, strlen(header));
	buf_puts(out, ".");
	base64url(out, payload, strlen(payload));
	if (md != NULL)
		assert_non_null(HMAC(md, secret, (int)strlen(secret), (unsigned char *)out->data,
		    out->len, mac, &mac_len));
	buf_puts(out, ".");
	base64url(out, mac, mac_len);
	assert_int_equal(out->err, ERR_OK);
	return buf_view(out);
}

static struct token_keys *
keys_of(const char *secret)
{
	struct token_keys *keys = NULL;

	assert_int_equal(token_keys_new(text_of(secret), &keys), ERR_OK);
	return keys;
}

static enum token_cause
verify(const struct token_rules *rules, struct text token, struct token_claims *out)
{
	struct token_keys *keys = keys_of(SECRET);
	enum token_cause cause = token_verify(keys, rules, token, NOW, out);

	token_keys_free(&keys);
	assert_null(keys);
	return cause;
}

/* How a well-signed payload fares. */
static enum token_cause
payload_cause(const struct token_rules *rules, const char *payload)
{
	struct buf token = BUF_INIT(65536);
	struct token_claims claims;
	enum token_cause cause =
	    verify(rules, sign(&token, HS256, payload, EVP_sha256(), SECRET), &claims);

	buf_fini(&token);
	return cause;
}

static enum token_cause
header_cause(const char *header)
{
	struct buf token = BUF_INIT(65536);
	struct token_claims claims;
	enum token_cause cause = verify(&lax,
	    sign(&token, header, "{" SUB ",\"exp\":1766150000}", EVP_sha256(), SECRET), &claims);

	buf_fini(&token);
	return cause;
}

static void
test_good(void **state)
{
	struct buf token = BUF_INIT(65536);
	struct token_keys *keys = keys_of(SECRET), *others = keys_of(SECRET "x");
	struct token_claims claims;
	struct id user;

	(void)state;
	assert_int_equal(id_parse(text_of(USER), &user), ERR_OK);
	sign(&token, HS256,
	    "{" SUB ",\"exp\":1766150000,\"role\":\"therapist\",\"other\":{\"a\":[1]}}",
	    EVP_sha256(), SECRET);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	assert_true(id_equal(&claims.user, &user));
	assert_int_equal(claims.expires, 1766150000);
	assert_int_equal(claims.role, ROLE_THERAPIST);
	assert_true(token_keys_know(keys, claims.key));
	assert_false(token_keys_know(others, claims.key));
	assert_int_equal(token_verify(others, &lax, buf_view(&token), NOW, &claims),
	    TOKEN_SIGNATURE);
	token_keys_free(&keys);
	token_keys_free(&others);
	token_keys_free(&others);
	buf_fini(&token);
}

struct payload_case {
	const char *payload;
	enum token_cause cause;
};

static void
assert_causes(const struct token_rules *rules, const struct payload_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum token_cause cause = payload_cause(rules, cases[i].payload);

		if (cause != cases[i].cause)
			fail_msg("%s: %s", cases[i].payload, token_cause_name(cause));
	}
}

static void
test_claims(void **state)
{
	static const struct payload_case cases[] = {
		{ "{" SUB ",\"exp\":1766150000}", TOKEN_OK },
		{ "{\"sub\":\"550E8400-E29B-41D4-A716-446655440000\",\"exp\":1766150000}", TOKEN_OK },
		{ "{\"exp\":1766150000}", TOKEN_CLAIMS },
		{ "{\"sub\":\"therapist@example.org\",\"exp\":1766150000}", TOKEN_CLAIMS },
		{ "{\"sub\":7,\"exp\":1766150000}", TOKEN_CLAIMS },
		{ "{\"sub\":null,\"exp\":1766150000}", TOKEN_CLAIMS },
		{ "{\"sub\":[\"" USER "\"],\"exp\":1766150000}", TOKEN_CLAIMS },
		/* exp: required, whole seconds, of our era */
		{ "{" SUB "}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":null}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":\"1766150000\"}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":1766150000.5}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":1.76615e9}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":true}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":-1}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":0}", TOKEN_EXPIRED },
		{ "{" SUB ",\"exp\":253402300799}", TOKEN_OK },
		{ "{" SUB ",\"exp\":253402300800}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":9223372036854775807}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":9223372036854775808}", TOKEN_SIGNATURE }, /* libjwt gives up */
		{ "{" SUB ",\"exp\":1,\"exp\":1766150000}", TOKEN_MALFORMED },
		{ "{" SUB "," SUB ",\"exp\":1766150000}", TOKEN_MALFORMED },
		/* leeway, at its edges: NOW is 1766140200, the leeway 30 */
		{ "{" SUB ",\"exp\":1766140169}", TOKEN_EXPIRED },
		{ "{" SUB ",\"exp\":1766140170}", TOKEN_EXPIRED },
		{ "{" SUB ",\"exp\":1766140171}", TOKEN_OK },
		{ "{" SUB ",\"exp\":1766150000,\"nbf\":1766140230}", TOKEN_OK },
		{ "{" SUB ",\"exp\":1766150000,\"nbf\":1766140231}", TOKEN_NOT_YET },
		{ "{" SUB ",\"exp\":1766150000,\"iat\":1766140230}", TOKEN_OK },
		{ "{" SUB ",\"exp\":1766150000,\"iat\":1766140231}", TOKEN_NOT_YET },
		{ "{" SUB ",\"exp\":1766150000,\"nbf\":\"0\"}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":1766150000,\"iat\":1766140000.25}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":1766150000,\"iat\":null}", TOKEN_CLAIMS },
		/* type: access or nothing */
		{ "{" SUB ",\"exp\":1766150000,\"type\":\"access\"}", TOKEN_OK },
		{ "{" SUB ",\"exp\":1766150000,\"type\":\"refresh\"}", TOKEN_TYPE },
		{ "{" SUB ",\"exp\":1766150000,\"type\":null}", TOKEN_TYPE },
		{ "{" SUB ",\"exp\":1766150000,\"type\":\"Access\"}", TOKEN_TYPE },
		/* role: a hint only */
		{ "{" SUB ",\"exp\":1766150000,\"role\":\"emperor\"}", TOKEN_OK },
		{ "{" SUB ",\"exp\":1766150000,\"role\":7}", TOKEN_OK },
		/* iss and aud that nobody asks for */
		{ "{" SUB ",\"exp\":1766150000,\"iss\":7,\"aud\":\"elsewhere\"}", TOKEN_OK },
		/* no object at all */
		{ "[]", TOKEN_MALFORMED },
		{ "\"" USER "\"", TOKEN_MALFORMED },
		{ "{" SUB ",\"exp\":1766150000} x", TOKEN_MALFORMED },
		{ "", TOKEN_MALFORMED },
	};

	(void)state;
	assert_causes(&lax, cases, countof(cases));
}

static void
test_issuer_and_audience(void **state)
{
#define BASE "{" SUB ",\"exp\":1766150000"
#define ISS ",\"iss\":\"https://issuer.example\""
	static const struct payload_case cases[] = {
		{ BASE ISS ",\"aud\":\"milepost\"}", TOKEN_OK },
		{ BASE ISS ",\"aud\":[\"other\",\"milepost\"]}", TOKEN_OK },
		{ BASE ",\"aud\":\"milepost\"}", TOKEN_ISSUER },
		{ BASE ",\"iss\":\"https://issuer.example.org\",\"aud\":\"milepost\"}", TOKEN_ISSUER },
		{ BASE ",\"iss\":[\"https://issuer.example\"],\"aud\":\"milepost\"}", TOKEN_ISSUER },
		{ BASE ISS "}", TOKEN_AUDIENCE },
		{ BASE ISS ",\"aud\":\"mileposts\"}", TOKEN_AUDIENCE },
		{ BASE ISS ",\"aud\":[]}", TOKEN_AUDIENCE },
		{ BASE ISS ",\"aud\":[\"other\"]}", TOKEN_AUDIENCE },
		{ BASE ISS ",\"aud\":{\"milepost\":true}}", TOKEN_AUDIENCE },
		{ BASE ISS ",\"aud\":[[\"milepost\"]]}", TOKEN_AUDIENCE },
	};

	(void)state;
	assert_causes(&strict, cases, countof(cases));
}

/* Each of these is signed well with HMAC-SHA256 and our secret. */
static void
test_header(void **state)
{
	static const struct {
		const char *header;
		enum token_cause cause;
	} cases[] = {
		{ "{\"alg\":\"HS256\"}", TOKEN_OK },
		{ "{\"alg\":\"HS256\",\"typ\":\"jwt\",\"kid\":\"1\"}", TOKEN_OK },
		{ "{\"alg\":\"hs256\"}", TOKEN_ALGORITHM },
		{ "{\"alg\":\"none\"}", TOKEN_ALGORITHM },
		{ "{\"alg\":\"RS256\"}", TOKEN_ALGORITHM },
		{ "{\"alg\":256}", TOKEN_ALGORITHM },
		{ "{\"typ\":\"JWT\"}", TOKEN_ALGORITHM },
		{ "{\"alg\":\"none\",\"alg\":\"HS256\"}", TOKEN_MALFORMED },
		{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", TOKEN_MALFORMED },
		{ "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", TOKEN_TYPE },
		{ "{\"alg\":\"HS256\",\"typ\":7}", TOKEN_TYPE },
		{ "null", TOKEN_MALFORMED },
		{ "{\"alg\":\"HS256\"", TOKEN_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		enum token_cause cause = header_cause(cases[i].header);

		if (cause != cases[i].cause)
			fail_msg("%s: %s", cases[i].header, token_cause_name(cause));
	}
}

static void
test_signature(void **state)
{
	static const char payload[] = "{" SUB ",\"exp\":1766150000}";
	struct buf token = BUF_INIT(65536), other = BUF_INIT(65536);
	struct token_claims claims = { .expires = 42 };
	char *dot;

	(void)state;
	sign(&token, "{\"alg\":\"none\"}", payload, NULL, NULL);
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_ALGORITHM);
	sign(&token, "{\"alg\":\"HS512\"}", payload, EVP_sha512(), SECRET);
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_ALGORITHM);
	sign(&token, HS256, payload, NULL, NULL);
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_SIGNATURE);
	sign(&token, HS256, payload, EVP_sha512(), SECRET);
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_SIGNATURE);
	sign(&token, HS256, payload, EVP_sha256(), "another-secret-of-thirty-two-bytes");
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_SIGNATURE);
	sign(&token, HS256, payload, EVP_sha256(), "");
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_SIGNATURE);
	/* A good signature, cut and drawn out. */
	sign(&token, HS256, payload, EVP_sha256(), SECRET);
	token.len--;
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_SIGNATURE);
	token.len++;
	buf_puts(&token, "A");
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_SIGNATURE);
	/* Another payload under it. */
	sign(&token, HS256, payload, EVP_sha256(), SECRET);
	sign(&other, HS256, "{" SUB ",\"exp\":1766159999}", EVP_sha256(), SECRET);
	dot = memrchr(token.data, '.', token.len);
	memcpy(memrchr(other.data, '.', other.len), dot, (size_t)(token.data + token.len - dot));
	assert_int_equal(verify(&lax, buf_view(&other), &claims), TOKEN_SIGNATURE);
	assert_int_equal(claims.expires, 42); /* untouched by all that failed */
	assert_int_equal(verify(&lax, buf_view(&token), &claims), TOKEN_OK);
	buf_fini(&token);
	buf_fini(&other);
}

/* Every single bit of a token counts. */
static void
test_every_bit(void **state)
{
	struct buf token = BUF_INIT(65536);
	struct token_keys *keys = keys_of(SECRET);
	struct token_claims claims;

	(void)state;
	sign(&token, HS256, "{" SUB ",\"exp\":1766150000}", EVP_sha256(), SECRET);
	for (size_t bit = 0; bit < token.len * 8; bit++) {
		token.data[bit / 8] = (char)(token.data[bit / 8] ^ (1 << bit % 8));
		assert_int_not_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims),
		    TOKEN_OK);
		token.data[bit / 8] = (char)(token.data[bit / 8] ^ (1 << bit % 8));
	}
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	for (size_t len = 0; len < token.len; len++)
		assert_int_not_equal(token_verify(keys, &lax, (struct text){ token.data, len }, NOW,
		    &claims), TOKEN_OK);
	token_keys_free(&keys);
	buf_fini(&token);
}

static void
test_malformed(void **state)
{
	static const char *const bad[] = { "", ".", "..", "...", "a", "a.b", "a.b.c.d", "a.b.c",
		"!.b.c", "eyJhbGciOiJIUzI1NiJ9..", "eyJhbGciOiJIUzI1NiJ9",
		"eyJhbGciOiJIUzI1NiJ9.e30=.x", "eyJhbGciOiJIUzI1NiJ9 .e30.x",
		"eyJhbGciOiJIUzI1NiJ9.W10.x" };
	struct token_claims claims;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(verify(&lax, text_of(bad[i]), &claims), TOKEN_MALFORMED);
	assert_int_equal(verify(&lax, (struct text){ NULL, 0 }, &claims), TOKEN_MALFORMED);
	assert_int_equal(verify(&lax, (struct text){ "eyJhbGciOiJIUzI1NiJ9.e30.\0", 26 }, &claims),
	    TOKEN_MALFORMED);
}

/* A token of exactly so many bytes. The header's base64 has 36 and the signature's 43. */
static enum token_cause
sized_cause(size_t size)
{
	struct buf token = BUF_INIT(65536);
	struct token_claims claims;
	size_t payload_len = (size - 36 - 43 - 2) / 4 * 3 + (size - 36 - 43 - 2) % 4 * 3 / 4;
	char *payload = malloc(payload_len + 1);
	const char start[] = "{" SUB ",\"exp\":1766150000,\"pad\":\"";
	enum token_cause cause;

	assert_non_null(payload);
	memset(payload, 'x', payload_len);
	memcpy(payload, start, strlen(start));
	memcpy(payload + payload_len - 2, "\"}", 3);
	sign(&token, HS256, payload, EVP_sha256(), SECRET);
	assert_int_equal(token.len, size);
	cause = verify(&lax, buf_view(&token), &claims);
	free(payload);
	buf_fini(&token);
	return cause;
}

static void
test_size(void **state)
{
	(void)state;
	assert_int_equal(sized_cause(TOKEN_MAX - 1), TOKEN_OK);
	assert_int_equal(sized_cause(TOKEN_MAX), TOKEN_OK);
	assert_int_equal(sized_cause(TOKEN_MAX + 1), TOKEN_MALFORMED);
	assert_int_equal(sized_cause(60000), TOKEN_MALFORMED);
}

/* Each cause has a word of its own for the log. */
static void
test_names(void **state)
{
	(void)state;
	for (enum token_cause a = TOKEN_OK; a <= TOKEN_FAULT; a++) {
		assert_non_null(token_cause_name(a));
		for (enum token_cause b = TOKEN_OK; b < a; b++)
			assert_string_not_equal(token_cause_name(a), token_cause_name(b));
	}
}

static void
test_mint(void **state)
{
	struct buf token = BUF_INIT(TOKEN_MAX), tiny = BUF_INIT(16);
	struct token_keys *keys = keys_of(SECRET);
	struct token_claims wanted = { .expires = NOW + 60, .role = ROLE_PATIENT }, got;

	(void)state;
	assert_int_equal(id_parse(text_of(USER), &wanted.user), ERR_OK);
	assert_int_equal(token_mint(keys, &strict, &wanted, NOW, &token), ERR_OK);
	assert_int_equal(token_verify(keys, &strict, buf_view(&token), NOW, &got), TOKEN_OK);
	assert_true(id_equal(&got.user, &wanted.user));
	assert_int_equal(got.expires, NOW + 60);
	assert_int_equal(got.role, ROLE_PATIENT);
	assert_int_equal(token_verify(keys, &strict, buf_view(&token), NOW + 89, &got), TOKEN_OK);
	assert_int_equal(token_verify(keys, &strict, buf_view(&token), NOW + 90, &got),
	    TOKEN_EXPIRED);
	assert_int_equal(token_verify(keys, &strict, buf_view(&token), NOW - 31, &got),
	    TOKEN_NOT_YET);
	/* Without rules and role these claims are left out. */
	wanted.role = ROLE_NONE;
	buf_reset(&token);
	assert_int_equal(token_mint(keys, &lax, &wanted, NOW, &token), ERR_OK);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &got), TOKEN_OK);
	assert_int_equal(got.role, ROLE_NONE);
	assert_int_equal(token_verify(keys, &strict, buf_view(&token), NOW, &got), TOKEN_ISSUER);
	assert_int_equal(token_mint(keys, &lax, &wanted, NOW, &tiny), ERR_LIMIT);
	token_keys_free(&keys);
	buf_fini(&token);
	buf_fini(&tiny);
}

static void
write_file(const char *path, const char *content, size_t len, mode_t mode)
{
	int fd;

	unlink(path); /* an old one may not be writable */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static enum err
load(const char *path, const char *wanted_why)
{
	struct token_keys *keys = NULL, *same = keys_of(SECRET);
	struct token_claims claims;
	struct buf why = BUF_INIT(1024), token = BUF_INIT(TOKEN_MAX);
	enum err err = token_keys_load(path, "", &keys, &why);

	if (err == ERR_OK) { /* whatever surrounds it, it is SECRET */
		sign(&token, HS256, "{" SUB ",\"exp\":1766150000}", EVP_sha256(), SECRET);
		assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
		assert_true(token_keys_know(same, claims.key));
		assert_int_equal(why.len, 0);
	} else {
		assert_null(keys);
		if (strstr(buf_cstr(&why), wanted_why) == NULL || strstr(why.data, path) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", why.data, wanted_why);
	}
	token_keys_free(&keys);
	token_keys_free(&same);
	buf_fini(&why);
	buf_fini(&token);
	return err;
}

static void
test_load(void **state)
{
	char dir[] = "/tmp/mp-token-XXXXXX", path[64], big[TOKEN_SECRET_MAX + 8];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/secret", dir);
	memset(big, 'x', sizeof(big));
	assert_int_equal(load(path, "No such file"), ERR_SYSTEM);
	assert_int_equal(load(dir, "not a file"), ERR_INPUT);
	write_file(path, SECRET, strlen(SECRET), 0640);
	assert_int_equal(load(path, ""), ERR_OK);
	write_file(path, SECRET "\n", strlen(SECRET) + 1, 0600);
	assert_int_equal(load(path, ""), ERR_OK);
	write_file(path, SECRET "\r\n", strlen(SECRET) + 2, 0400);
	assert_int_equal(load(path, ""), ERR_OK);
	write_file(path, SECRET, strlen(SECRET), 0644);
	assert_int_equal(load(path, "chmod o-rwx"), ERR_DENIED);
	write_file(path, SECRET, strlen(SECRET), 0602);
	assert_int_equal(load(path, "chmod o-rwx"), ERR_DENIED);
	write_file(path, "", 0, 0600);
	assert_int_equal(load(path, "the secret has 0 bytes"), ERR_INPUT);
	write_file(path, "\n", 1, 0600);
	assert_int_equal(load(path, "the secret has 0 bytes"), ERR_INPUT);
	write_file(path, big, TOKEN_SECRET_MIN - 1, 0600);
	assert_int_equal(load(path, "the secret has 31 bytes"), ERR_INPUT);
	write_file(path, big, TOKEN_SECRET_MAX + 1, 0600);
	assert_int_equal(load(path, "longer than 1024"), ERR_LIMIT);
	write_file(path, big, sizeof(big), 0600);
	assert_int_equal(load(path, "longer than 1024"), ERR_LIMIT);
	unlink(path);
	rmdir(dir);
}

/* The newline is the file's; everything else is the secret's. */
static void
test_load_longest(void **state)
{
	char dir[] = "/tmp/mp-token-XXXXXX", path[64], big[TOKEN_SECRET_MAX + 2];
	struct token_keys *keys = NULL, *same = NULL;
	struct buf why = BUF_INIT(1024), token = BUF_INIT(TOKEN_MAX);
	struct token_claims claims = { .expires = NOW + 60 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/secret", dir);
	memset(big, 'x', sizeof(big));
	big[TOKEN_SECRET_MAX - 1] = '\n';
	big[TOKEN_SECRET_MAX] = '\r';
	big[TOKEN_SECRET_MAX + 1] = '\n';
	big[0] = '\0';
	write_file(path, big, sizeof(big), 0600);
	assert_int_equal(token_keys_load(path, "", &keys, &why), ERR_OK);
	assert_int_equal(token_keys_new((struct text){ big, TOKEN_SECRET_MAX }, &same), ERR_OK);
	assert_int_equal(token_mint(keys, &lax, &claims, NOW, &token), ERR_OK);
	assert_int_equal(token_verify(same, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	assert_true(token_keys_know(keys, claims.key));
	token_keys_free(&keys);
	token_keys_free(&same);
	buf_fini(&why);
	buf_fini(&token);
	unlink(path);
	rmdir(dir);
}

/* As a shell's <(command) gives it. */
static void
test_load_pipe(void **state)
{
	char path[32];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], SECRET "\n", strlen(SECRET) + 1), strlen(SECRET) + 1);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	assert_int_equal(load(path, ""), ERR_OK);
	close(ends[0]);
}

/* --- public keys, and several at once --- */

#define GOOD "{" SUB ",\"exp\":1766150000}"
#define RS256 "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define ES256 "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"
#define KID(alg, kid) "{\"alg\":\"" alg "\",\"kid\":\"" kid "\"}"

/* The issuer's key pairs, with the public halves in files beside a secret, in a folder that the tests
 * run in. */
struct issuer {
	char dir[32];
	EVP_PKEY *rsa, *rsa2, *ec, *ec2, *p384;
};

static void
write_public(const char *path, EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;

	assert_non_null(pkey);
	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	len = BIO_get_mem_data(bio, &data);
	write_file(path, data, (size_t)len, 0644);
	BIO_free(bio);
}

static int
make_issuer(void **state)
{
	struct issuer *issuer = calloc(1, sizeof(*issuer));

	assert_non_null(issuer);
	*issuer = (struct issuer){ "/tmp/mp-token-XXXXXX", EVP_RSA_gen(2048), EVP_RSA_gen(2048),
		EVP_EC_gen("P-256"), EVP_EC_gen("P-256"), EVP_EC_gen("P-384") };
	assert_non_null(mkdtemp(issuer->dir));
	assert_int_equal(chdir(issuer->dir), 0);
	write_public("rsa", issuer->rsa);
	write_public("rsa2", issuer->rsa2);
	write_public("ec", issuer->ec);
	write_public("ec2", issuer->ec2);
	write_file("secret", SECRET, strlen(SECRET), 0600);
	write_file("other", SECRET "-other", strlen(SECRET "-other"), 0600);
	*state = issuer;
	return 0;
}

static int
remove_issuer(void **state)
{
	static const char *const names[] = { "rsa", "rsa2", "ec", "ec2", "secret", "other" };
	struct issuer *issuer = *state;

	for (size_t i = 0; i < countof(names); i++)
		unlink(names[i]);
	assert_int_equal(chdir("/"), 0);
	rmdir(issuer->dir);
	EVP_PKEY_free(issuer->rsa);
	EVP_PKEY_free(issuer->rsa2);
	EVP_PKEY_free(issuer->ec);
	EVP_PKEY_free(issuer->ec2);
	EVP_PKEY_free(issuer->p384);
	free(issuer);
	return 0;
}

static struct token_keys *
ring(const char *secret, const char *list)
{
	struct token_keys *keys = NULL;
	struct buf why = BUF_INIT(1024);

	if (token_keys_load(secret, list, &keys, &why) != ERR_OK)
		fail_msg("%s: %s", list, buf_cstr(&why));
	buf_fini(&why);
	return keys;
}

/* Two numbers of so many bytes each, as RFC 7518 section 3.4 has it, in place of DER. */
static size_t
plain_ecdsa(unsigned char *signature, size_t len, int width)
{
	const unsigned char *at = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);

	assert_non_null(pair);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, width), width);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + width, width), width);
	ECDSA_SIG_free(pair);
	return 2 * (size_t)width;
}

/* Signs what is in out with SHA-256, as DER if the key is an EC one. */
static size_t
sign_raw(const struct buf *out, EVP_PKEY *pkey, unsigned char signature[1024])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = 1024;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &len, (unsigned char *)out->data, out->len),
	    1);
	EVP_MD_CTX_free(ctx);
	return len;
}

enum spelling { PLAIN, DER };

/* header.payload.signature by a private key. */
static struct text
sign_with(struct buf *out, const char *header, const char *payload, EVP_PKEY *pkey,
    enum spelling spelling)
{
	unsigned char signature[1024];
	size_t len;

	buf_reset(out);
	base64url(out, header, strlen(header));
	buf_puts(out, ".");
	base64url(out, payload, strlen(payload));
	len = sign_raw(out, pkey, signature);
	if (spelling == PLAIN && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC)
		len = plain_ecdsa(signature, len, (EVP_PKEY_get_bits(pkey) + 7) / 8);
	buf_puts(out, ".");
	base64url(out, signature, len);
	assert_int_equal(out->err, ERR_OK);
	return buf_view(out);
}

static enum token_cause
cause_at(const struct token_keys *keys, struct text token, int64_t now)
{
	struct token_claims claims = { .expires = 42 };
	enum token_cause cause = token_verify(keys, &lax, token, now, &claims);

	assert_true(cause == TOKEN_OK || claims.expires == 42);
	return cause;
}

/* How a token that this key signed fares. */
static enum token_cause
cause_of(const struct token_keys *keys, const char *header, EVP_PKEY *pkey)
{
	struct buf token = BUF_INIT(65536);
	enum token_cause cause = cause_at(keys, sign_with(&token, header, GOOD, pkey, PLAIN), NOW);

	buf_fini(&token);
	return cause;
}

/* The same for one signed with HMAC by the secret. */
static enum token_cause
cause_of_secret(const struct token_keys *keys, const char *header, const char *secret)
{
	struct buf token = BUF_INIT(65536);
	enum token_cause cause = cause_at(keys, sign(&token, header, GOOD, EVP_sha256(), secret), NOW);

	buf_fini(&token);
	return cause;
}

static void
test_public_keys(void **state)
{
	struct issuer *issuer = *state;
	struct token_keys *keys = ring("", "kid=r alg=RS256 file=rsa kid=e alg=ES256 file=ec");
	struct token_keys *r = ring("", "kid=r alg=RS256 file=rsa");
	struct buf token = BUF_INIT(65536);
	struct token_claims claims;

	sign_with(&token, RS256, "{" SUB ",\"exp\":1766150000,\"role\":\"admin\"}", issuer->rsa, PLAIN);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	assert_int_equal(claims.expires, 1766150000);
	assert_int_equal(claims.role, ROLE_ADMIN);
	assert_true(token_keys_know(keys, claims.key));
	assert_true(token_keys_know(r, claims.key));
	sign_with(&token, ES256, GOOD, issuer->ec, PLAIN);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	assert_true(token_keys_know(keys, claims.key));
	assert_false(token_keys_know(r, claims.key));
	assert_int_equal(cause_at(r, buf_view(&token), NOW), TOKEN_ALGORITHM);
	assert_int_equal(cause_of(keys, RS256, issuer->rsa2), TOKEN_SIGNATURE);
	assert_int_equal(cause_of(keys, ES256, issuer->ec2), TOKEN_SIGNATURE);
	/* Another curve's signature, and another algorithm's name over a good one. */
	assert_int_equal(cause_of(keys, ES256, issuer->p384), TOKEN_SIGNATURE);
	assert_int_equal(cause_of(keys, ES256, issuer->rsa), TOKEN_SIGNATURE);
	assert_int_equal(cause_of(keys, RS256, issuer->ec), TOKEN_SIGNATURE);
	token_keys_free(&keys);
	token_keys_free(&r);
	buf_fini(&token);
}

/* What is checked beside the signature is checked for these, too. */
static void
test_public_keys_claims(void **state)
{
	static const struct payload_case cases[] = {
		{ "{" SUB ",\"exp\":1766150000}", TOKEN_OK },
		{ "{" SUB "}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":\"1766150000\"}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":1766150000.5}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":1766150000000}", TOKEN_CLAIMS },
		{ "{" SUB ",\"exp\":1,\"exp\":1766150000}", TOKEN_MALFORMED },
		{ "{" SUB ",\"exp\":1766140170}", TOKEN_EXPIRED },
		{ "{" SUB ",\"exp\":1766150000,\"nbf\":1766140231}", TOKEN_NOT_YET },
		{ "{" SUB ",\"exp\":1766150000,\"iat\":1766140231}", TOKEN_NOT_YET },
		{ "{" SUB ",\"exp\":1766150000,\"type\":\"refresh\"}", TOKEN_TYPE },
		{ "{\"exp\":1766150000}", TOKEN_CLAIMS },
	};
	struct issuer *issuer = *state;
	struct token_keys *keys = ring("", "kid=r alg=RS256 file=rsa kid=e alg=ES256 file=ec");
	struct buf token = BUF_INIT(65536);
	struct token_claims claims;

	for (size_t i = 0; i < countof(cases); i++) {
		enum token_cause r = cause_at(keys,
		    sign_with(&token, RS256, cases[i].payload, issuer->rsa, PLAIN), NOW);
		enum token_cause e = cause_at(keys,
		    sign_with(&token, ES256, cases[i].payload, issuer->ec, PLAIN), NOW);

		if (r != cases[i].cause || e != cases[i].cause)
			fail_msg("%s: %s, %s", cases[i].payload, token_cause_name(r),
			    token_cause_name(e));
	}
	sign_with(&token, RS256, GOOD, issuer->rsa, PLAIN);
	assert_int_equal(token_verify(keys, &strict, buf_view(&token), NOW, &claims), TOKEN_ISSUER);
	sign_with(&token, RS256, "{" SUB ",\"exp\":1766150000,\"iss\":\"https://issuer.example\"}",
	    issuer->rsa, PLAIN);
	assert_int_equal(token_verify(keys, &strict, buf_view(&token), NOW, &claims),
	    TOKEN_AUDIENCE);
	assert_int_equal(cause_of(keys, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", issuer->rsa),
	    TOKEN_TYPE);
	assert_int_equal(cause_of(keys, "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}",
	    issuer->ec), TOKEN_MALFORMED);
	token_keys_free(&keys);
	buf_fini(&token);
}

static char *
read_text(const char *path)
{
	char *data = calloc(1, 8192);
	FILE *file = fopen(path, "r");

	assert_non_null(data);
	assert_non_null(file);
	assert_true(fread(data, 1, 8191, file) > 0);
	fclose(file);
	return data;
}

/* libjwt#200: a public key, which everybody knows, taken for a secret. */
static void
test_public_key_as_secret(void **state)
{
	static const char *const files[] = { "rsa", "ec" };
	static const char *const headers[] = { HS256, KID("HS256", "rsa"), KID("HS256", "ec"),
		KID("HS256", "?") };
	struct token_keys *public = ring("", "kid=rsa alg=RS256 file=rsa kid=ec alg=ES256 file=ec");
	struct token_keys *mixed = ring("secret",
	    "kid=rsa alg=RS256 file=rsa kid=ec alg=ES256 file=ec kid=h alg=HS256 file=other");

	(void)state;
	for (size_t f = 0; f < countof(files); f++) {
		char *pem = read_text(files[f]);

		for (size_t i = 0; i < countof(headers); i++) {
			bool named = i == 1 || i == 2;

			assert_int_equal(cause_of_secret(public, headers[i], pem), TOKEN_ALGORITHM);
			assert_int_equal(cause_of_secret(mixed, headers[i], pem),
			    named ? TOKEN_ALGORITHM : TOKEN_SIGNATURE);
		}
		pem[strlen(pem) - 1] = '\0';
		assert_int_equal(cause_of_secret(mixed, HS256, pem), TOKEN_SIGNATURE);
		free(pem);
	}
	/* And with no key at all, or none that is public. */
	assert_int_equal(cause_of_secret(public, HS256, ""), TOKEN_ALGORITHM);
	assert_int_equal(cause_of_secret(mixed, HS256, ""), TOKEN_SIGNATURE);
	assert_int_equal(cause_of_secret(mixed, RS256, SECRET), TOKEN_SIGNATURE);
	assert_int_equal(cause_of_secret(mixed, ES256, SECRET), TOKEN_SIGNATURE);
	assert_int_equal(cause_of_secret(public, "{\"alg\":\"none\"}", SECRET), TOKEN_ALGORITHM);
	assert_int_equal(cause_of_secret(public, KID("none", "rsa"), SECRET), TOKEN_ALGORITHM);
	token_keys_free(&public);
	token_keys_free(&mixed);
}

/* Which key a header chooses. */
static void
test_kid(void **state)
{
	struct issuer *issuer = *state;
	struct token_keys *keys = ring("secret", "kid=a alg=RS256 file=rsa kid=b alg=RS256 file=rsa2 "
	    "kid=e alg=ES256 file=ec kid=h alg=HS256 file=other");
	const struct {
		const char *header;
		EVP_PKEY *pkey;
		enum token_cause cause;
	} cases[] = {
		{ KID("RS256", "a"), issuer->rsa, TOKEN_OK },
		{ KID("RS256", "b"), issuer->rsa2, TOKEN_OK },
		{ KID("ES256", "e"), issuer->ec, TOKEN_OK },
		/* swapped */
		{ KID("RS256", "b"), issuer->rsa, TOKEN_SIGNATURE },
		{ KID("RS256", "a"), issuer->rsa2, TOKEN_SIGNATURE },
		/* of another algorithm */
		{ KID("RS256", "e"), issuer->rsa, TOKEN_ALGORITHM },
		{ KID("ES256", "a"), issuer->ec, TOKEN_ALGORITHM },
		{ KID("RS256", "h"), issuer->rsa, TOKEN_ALGORITHM },
		/* unknown, and none: all of the algorithm */
		{ KID("RS256", "c"), issuer->rsa2, TOKEN_OK },
		{ KID("RS256", "A"), issuer->rsa2, TOKEN_OK },
		{ KID("RS256", ""), issuer->rsa, TOKEN_OK },
		{ KID("RS256", "../../dev/null"), issuer->rsa, TOKEN_OK },
		{ RS256, issuer->rsa, TOKEN_OK },
		{ RS256, issuer->rsa2, TOKEN_OK },
		{ ES256, issuer->ec2, TOKEN_SIGNATURE },
		/* no string */
		{ "{\"alg\":\"RS256\",\"kid\":1}", issuer->rsa, TOKEN_MALFORMED },
		{ "{\"alg\":\"RS256\",\"kid\":null}", issuer->rsa, TOKEN_MALFORMED },
		{ "{\"alg\":\"RS256\",\"kid\":[\"a\"]}", issuer->rsa, TOKEN_MALFORMED },
		{ "{\"alg\":\"RS256\",\"kid\":\"a\",\"kid\":\"b\"}", issuer->rsa, TOKEN_MALFORMED },
		{ "{\"alg\":\"RS256\",\"kid\":\"a\\u0000\"}", issuer->rsa, TOKEN_MALFORMED },
		/* no algorithm of ours */
		{ KID("RS384", "a"), issuer->rsa, TOKEN_ALGORITHM },
		{ KID("PS256", "a"), issuer->rsa, TOKEN_ALGORITHM },
		{ KID("rs256", "a"), issuer->rsa, TOKEN_ALGORITHM },
		{ KID("ES384", "e"), issuer->p384, TOKEN_ALGORITHM },
		{ KID("none", "a"), issuer->rsa, TOKEN_ALGORITHM },
		{ "{\"kid\":\"a\"}", issuer->rsa, TOKEN_ALGORITHM },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		enum token_cause cause = cause_of(keys, cases[i].header, cases[i].pkey);

		if (cause != cases[i].cause)
			fail_msg("%zu %s: %s", i, cases[i].header, token_cause_name(cause));
	}
	assert_int_equal(cause_of_secret(keys, HS256, SECRET), TOKEN_OK);
	assert_int_equal(cause_of_secret(keys, HS256, SECRET "-other"), TOKEN_OK);
	assert_int_equal(cause_of_secret(keys, KID("HS256", "h"), SECRET "-other"), TOKEN_OK);
	assert_int_equal(cause_of_secret(keys, KID("HS256", "h"), SECRET), TOKEN_SIGNATURE);
	assert_int_equal(cause_of_secret(keys, KID("HS256", "?"), SECRET), TOKEN_OK);
	assert_int_equal(cause_of_secret(keys, KID("HS256", ""), SECRET), TOKEN_OK);
	assert_int_equal(cause_of_secret(keys, KID("HS256", "a"), SECRET), TOKEN_ALGORITHM);
	token_keys_free(&keys);
}

/* A signature that says the same in other bytes, or is too short or long. */
static void
test_signature_spelling(void **state)
{
	struct issuer *issuer = *state;
	struct token_keys *keys = ring("", "kid=r alg=RS256 file=rsa kid=e alg=ES256 file=ec");
	static const char *const tails[] = { "A", "AA", "AAAA", "=", "==", " ", "\n", "!", "." };
	struct buf token = BUF_INIT(65536);
	const char *headers[] = { RS256, ES256 };
	EVP_PKEY *const pkeys[] = { issuer->rsa, issuer->ec };

	sign_with(&token, ES256, GOOD, issuer->ec, DER);
	assert_int_equal(cause_at(keys, buf_view(&token), NOW), TOKEN_SIGNATURE);
	for (size_t k = 0; k < countof(headers); k++) {
		size_t len = sign_with(&token, headers[k], GOOD, pkeys[k], PLAIN).len;

		assert_int_equal(cause_at(keys, buf_view(&token), NOW), TOKEN_OK);
		for (size_t cut = 1; cut < 90; cut++)
			if (cause_at(keys, (struct text){ token.data, len - cut }, NOW) == TOKEN_OK)
				fail_msg("%s: %zu shorter", headers[k], cut);
		for (size_t i = 0; i < countof(tails); i++) {
			token.len = len;
			buf_puts(&token, tails[i]);
			if (cause_at(keys, buf_view(&token), NOW) == TOKEN_OK)
				fail_msg("%s: with \"%s\"", headers[k], tails[i]);
		}
		token.len = len;
		for (size_t i = 0; i < len; i++) { /* a NUL, anywhere */
			char c = token.data[i];

			token.data[i] = '\0';
			assert_int_not_equal(cause_at(keys, buf_view(&token), NOW), TOKEN_OK);
			token.data[i] = c;
		}
	}
	/* Nothing but zeros: the signature that was valid for every key (CVE-2022-21449). */
	sign_with(&token, ES256, GOOD, issuer->ec, PLAIN);
	memset(token.data + token.len - 86, 'A', 86);
	assert_int_equal(cause_at(keys, buf_view(&token), NOW), TOKEN_SIGNATURE);
	token_keys_free(&keys);
	buf_fini(&token);
}

/* A key's not_after: the second before, it counts; at it, no more. */
static void
test_not_after(void **state)
{
	struct issuer *issuer = *state;
	/* NOW is 2025-12-19T10:30:00Z. */
	struct token_keys *keys = ring("", "kid=old alg=RS256 file=rsa not_after=2025-12-19T10:31:00Z "
	    "kid=new alg=RS256 file=rsa2 kid=late alg=ES256 file=ec not_after=9999-12-31T23:59:59Z");
	static const char *const headers[] = { RS256, KID("RS256", "old") };
	struct buf token = BUF_INIT(65536);
	struct token_claims claims;

	for (size_t i = 0; i < countof(headers); i++) {
		sign_with(&token, headers[i], GOOD, issuer->rsa, PLAIN);
		assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW + 59, &claims),
		    TOKEN_OK);
		assert_int_equal(claims.expires, NOW + 60);
		assert_int_equal(token_keys_end(keys, claims.key), NOW + 60);
		assert_int_equal(cause_at(keys, buf_view(&token), NOW + 60), TOKEN_KEY_EXPIRED);
		assert_int_equal(cause_at(keys, buf_view(&token), NOW + 61), TOKEN_KEY_EXPIRED);
		/* Only who had the key learns that it has come to its end. */
		sign_with(&token, headers[i], GOOD, issuer->rsa2, PLAIN);
		assert_int_equal(cause_at(keys, buf_view(&token), NOW + 60),
		    i == 0 ? TOKEN_OK : TOKEN_SIGNATURE);
	}
	/* The new one goes on; and exp counts where it is the earlier. */
	sign_with(&token, KID("RS256", "new"), GOOD, issuer->rsa2, PLAIN);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW + 60, &claims), TOKEN_OK);
	assert_int_equal(claims.expires, 1766150000);
	assert_int_equal(token_keys_end(keys, claims.key), TOKEN_FOREVER);
	sign_with(&token, ES256, GOOD, issuer->ec, PLAIN);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	assert_int_equal(claims.expires, 1766150000);
	sign_with(&token, RS256, "{" SUB ",\"exp\":1766140210}", issuer->rsa, PLAIN);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	assert_int_equal(claims.expires, 1766140210);
	token_keys_free(&keys);
	buf_fini(&token);
}

/* The same secret under two names: what the one no longer may, the other may. */
static void
test_renamed_secret(void **state)
{
	struct token_keys *before = keys_of(SECRET);
	struct token_keys *after = ring("other",
	    "kid=old alg=HS256 file=secret not_after=2025-12-19T10:31:00Z");
	struct token_claims claims;
	struct buf token = BUF_INIT(65536);

	(void)state;
	sign(&token, HS256, GOOD, EVP_sha256(), SECRET);
	assert_int_equal(token_verify(before, &lax, buf_view(&token), NOW, &claims), TOKEN_OK);
	assert_true(token_keys_know(after, claims.key));
	assert_int_equal(token_keys_end(after, claims.key), NOW + 60);
	assert_int_equal(cause_at(after, buf_view(&token), NOW + 59), TOKEN_OK);
	assert_int_equal(cause_at(after, buf_view(&token), NOW + 60), TOKEN_KEY_EXPIRED);
	token_keys_free(&after);
	after = ring("secret", "kid=old alg=HS256 file=secret not_after=2025-12-19T10:31:00Z");
	assert_int_equal(cause_at(after, buf_view(&token), NOW + 60), TOKEN_OK);
	token_keys_free(&after);
	token_keys_free(&before);
	buf_fini(&token);
}

static void
assert_mints(const struct token_keys *keys, int64_t now, const char *header)
{
	struct token_claims wanted = { .expires = now + 60, .role = ROLE_NONE }, got;
	struct buf token = BUF_INIT(TOKEN_MAX);
	uint8_t bytes[256];
	size_t len;
	struct text head;

	assert_int_equal(token_mint(keys, &lax, &wanted, now, &token), ERR_OK);
	head = (struct text){ token.data, strcspn(buf_cstr(&token), ".") };
	assert_int_equal(digest_unbase64url(head, bytes, &len), ERR_OK);
	if (!text_is((struct text){ (char *)bytes, len }, header))
		fail_msg("%.*s", (int)len, (char *)bytes);
	assert_int_equal(token_verify(keys, &lax, buf_view(&token), now, &got), TOKEN_OK);
	buf_fini(&token);
}

static void
test_mint_by_ring(void **state)
{
	static const char list[] = "kid=h1 alg=HS256 file=secret kid=h2 alg=HS256 file=other "
	    "not_after=2025-12-19T10:31:00Z kid=r alg=RS256 file=rsa";
	struct token_keys *keys = ring("", list);
	struct token_claims claims = { .expires = NOW + 60 };
	struct buf token = BUF_INIT(TOKEN_MAX);

	(void)state;
	assert_mints(keys, NOW + 59, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"JWT\"}");
	assert_mints(keys, NOW + 60, "{\"alg\":\"HS256\",\"kid\":\"h1\",\"typ\":\"JWT\"}");
	token_keys_free(&keys);
	keys = ring("other", list);
	assert_mints(keys, NOW, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
	token_keys_free(&keys);
	keys = ring("", "kid=r alg=RS256 file=rsa kid=e alg=ES256 file=ec "
	    "kid=h alg=HS256 file=secret not_after=2025-12-19T10:30:00Z");
	assert_int_equal(token_mint(keys, &lax, &claims, NOW, &token), ERR_ABSENT);
	assert_int_equal(token.len, 0);
	token_keys_free(&keys);
	buf_fini(&token);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_issuer_and_audience),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_mint),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_longest),
		cmocka_unit_test(test_load_pipe),
		cmocka_unit_test(test_public_keys),
		cmocka_unit_test(test_public_keys_claims),
		cmocka_unit_test(test_public_key_as_secret),
		cmocka_unit_test(test_kid),
		cmocka_unit_test(test_signature_spelling),
		cmocka_unit_test(test_not_after),
		cmocka_unit_test(test_renamed_secret),
		cmocka_unit_test(test_mint_by_ring),
	};

	return cmocka_run_group_tests(tests, make_issuer, remove_issuer);
}
