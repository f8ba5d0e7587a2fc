/* test-keys.c: what is taken for a key and what is not, with real keys; and finding them again. */
#include "token/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
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
#include <unistd.h>

#include <cmocka.h>

#define SECRET "an-example-secret-of-forty-bytes-exactly"
#define OTHER "another-secret-of-forty-bytes-and-no-more"
#define NAME64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Tests run in a folder of their own, so that paths are short. */
static void
write_file(const char *path, const void *content, size_t len, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
write_text(const char *path, const char *content, mode_t mode)
{
	write_file(path, content, strlen(content), mode);
}

enum form { PUBLIC, PRIVATE, PKCS1, BOTH, TWICE, TALKATIVE };

/* Writes the key, and frees it. */
static void
write_pem(const char *path, EVP_PKEY *pkey, enum form form)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;

	assert_non_null(pkey);
	assert_non_null(bio);
	if (form == TALKATIVE)
		BIO_printf(bio, "Key of the issuer\r\n  since 2026\n");
	if (form == PKCS1) {
		BIO_printf(bio, "-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----\n");
	} else if (form != PRIVATE) {
		assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	}
	if (form == TWICE)
		assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	if (form == PRIVATE || form == BOTH)
		assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &data);
	write_file(path, data, (size_t)len, 0644);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

/* RSA, but for another padding: PS256, not RS256. */
static EVP_PKEY *
pss_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *pkey = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* The modulus of an RSA key with the exponent 1: whatever it signs is its own signature. */
static EVP_PKEY *
exponent_one(EVP_PKEY *rsa)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	EVP_PKEY *pkey = NULL;
	BIGNUM *n = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n), 1);
	assert_int_equal(OSSL_PARAM_BLD_push_ulong(builder, OSSL_PKEY_PARAM_RSA_E, 1), 1);
	params = OSSL_PARAM_BLD_to_param(builder);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	BN_free(n);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static int
make_files(void **state)
{
	static char dir[] = "/tmp/mp-keys-XXXXXX";
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256");
	char big[20000];

	*state = dir;
	if (mkdtemp(dir) == NULL || chdir(dir) != 0 || rsa == NULL || ec == NULL)
		return -1;
	memset(big, 'x', sizeof(big));
	write_text("secret", SECRET "\n", 0640);
	write_text("other", OTHER, 0600);
	write_text("open", SECRET, 0644);
	write_text("short", "short", 0600);
	write_file("long", big, TOKEN_SECRET_MAX + 1, 0600);
	write_text("garbage", "no key at all\n", 0644);
	write_text("nothing", "", 0600);
	write_text("broken", "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n", 0644);
	write_text("certificate", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
	    0644);
	write_text("encrypted", "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\n"
	    "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nMAA=\n"
	    "-----END PUBLIC KEY-----\n", 0644);
	write_file("huge", big, sizeof(big), 0644);
	write_pem("one.pem", exponent_one(rsa), PUBLIC);
	for (int i = 0; i < 5; i++)
		EVP_PKEY_up_ref(rsa);
	write_pem("rsa.pem", rsa, PUBLIC);
	write_pem("talkative.pem", rsa, TALKATIVE);
	write_pem("private.pem", rsa, PRIVATE);
	write_pem("both.pem", rsa, BOTH);
	write_pem("twice.pem", rsa, TWICE);
	write_pem("pkcs1.pem", rsa, PKCS1);
	EVP_PKEY_up_ref(ec);
	write_pem("ec.pem", ec, PUBLIC);
	write_pem("ec-private.pem", ec, PRIVATE);
	write_pem("rsa1024.pem", EVP_RSA_gen(1024), PUBLIC);
	write_pem("rsa2040.pem", EVP_RSA_gen(2040), PUBLIC);
	write_pem("p384.pem", EVP_EC_gen("P-384"), PUBLIC);
	write_pem("p521.pem", EVP_EC_gen("P-521"), PUBLIC);
	write_pem("k1.pem", EVP_EC_gen("secp256k1"), PUBLIC);
	write_pem("ed25519.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), PUBLIC);
	write_pem("pss.pem", pss_key(), PUBLIC);
	write_pem("world.pem", EVP_EC_gen("P-256"), PUBLIC);
	return chmod("world.pem", 0646);
}

static int
remove_files(void **state)
{
	static const char *const names[] = { "secret", "other", "open", "short", "long", "garbage",
		"nothing", "broken", "certificate", "encrypted", "huge", "rsa.pem", "talkative.pem",
		"private.pem", "both.pem", "twice.pem", "pkcs1.pem", "ec.pem", "ec-private.pem",
		"rsa1024.pem", "rsa2040.pem", "p384.pem", "p521.pem", "k1.pem", "ed25519.pem",
		"pss.pem", "world.pem", "one.pem" };

	for (size_t i = 0; i < countof(names); i++)
		unlink(names[i]);
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

static struct token_keys *
load(const char *path, const char *list)
{
	struct token_keys *keys = NULL;
	struct buf why = BUF_INIT(1024);

	if (token_keys_load(path, list, &keys, &why) != ERR_OK)
		fail_msg("%s: %s", list, buf_cstr(&why));
	assert_int_equal(why.len, 0);
	buf_fini(&why);
	return keys;
}

/* Every complaint, in one line that begins so. */
static void
test_refused(void **state)
{
	static const struct {
		const char *path, *list;
		enum err err;
		const char *why;
	} rows[] = {
		/* the list */
		{ "", "", ERR_INPUT, "no key for tokens: jwt_secret_file is empty, and jwt_keys" },
		{ "", " \t ", ERR_INPUT, "no key for tokens" },
		{ "", "alg=HS256", ERR_INPUT, "jwt_keys: \"alg=HS256\": a key begins with kid=" },
		{ "", "secret", ERR_INPUT, "jwt_keys: \"secret\": a key begins with kid=" },
		{ "", "kid=a", ERR_INPUT, "jwt_keys: kid=a: alg= is missing" },
		{ "", "kid=a file=rsa.pem", ERR_INPUT, "jwt_keys: kid=a: alg= is missing" },
		{ "", "kid=a alg=RS256", ERR_INPUT, "jwt_keys: kid=a: file= is missing" },
		{ "", "kid=a alg=RS256 file=", ERR_INPUT, "jwt_keys: kid=a: file= is missing" },
		{ "", "kid=a alg= file=rsa.pem", ERR_INPUT, "jwt_keys: kid=a: unknown alg \"\"" },
		{ "", "kid=a alg=rs256 file=rsa.pem", ERR_INPUT,
		  "jwt_keys: kid=a: unknown alg \"rs256\"" },
		{ "", "kid=a alg=none file=secret", ERR_INPUT, "jwt_keys: kid=a: unknown alg \"none\"" },
		{ "", "kid=a alg=RS512 file=rsa.pem", ERR_INPUT,
		  "jwt_keys: kid=a: unknown alg \"RS512\": not one of HS256, RS256, ES256" },
		{ "", "kid=a alg=RS256 alg=ES256 file=rsa.pem", ERR_INPUT,
		  "jwt_keys: kid=a: alg= is given twice" },
		{ "", "kid=a alg=RS256 file=rsa.pem use=sig", ERR_INPUT,
		  "jwt_keys: kid=a: unknown word \"use=sig\"" },
		{ "", "kid=a alg=RS256 file=rsa.pem,", ERR_SYSTEM, "rsa.pem,: No such file" },
		{ "", "kid=a alg=RS256 file=rsa.pem not_after=2026-12-31", ERR_INPUT,
		  "jwt_keys: kid=a: not_after \"2026-12-31\" is not a time such as 2026-" },
		{ "", "kid=a alg=RS256 file=rsa.pem not_after=", ERR_INPUT,
		  "jwt_keys: kid=a: not_after \"\"" },
		{ "", "kid= alg=RS256 file=rsa.pem", ERR_INPUT, "jwt_keys: kid=: a kid has 1 to 64" },
		{ "", "kid=" NAME64 "x alg=RS256 file=rsa.pem", ERR_LIMIT,
		  "jwt_keys: kid=" NAME64 "x: a kid has 1 to 64" },
		{ "", "kid=\xc3\xa9 alg=RS256 file=rsa.pem", ERR_INPUT,
		  "jwt_keys: kid=\xc3\xa9: a kid is of visible ASCII characters" },
		{ "", "kid=a alg=RS256 file=rsa.pem kid=a alg=ES256 file=ec.pem", ERR_INPUT,
		  "jwt_keys: kid=a: this kid is given twice" },
		/* secrets */
		{ "missing", "kid=a alg=RS256 file=rsa.pem", ERR_SYSTEM, "missing: No such file" },
		{ "rsa.pem", "", ERR_DENIED, "rsa.pem: the secret is open to others" },
		{ "", "kid=a alg=HS256 file=open", ERR_DENIED,
		  "open: the secret is open to others; close it with: chmod o-rwx open" },
		{ "", "kid=a alg=HS256 file=short", ERR_INPUT, "short: the secret has 5 bytes" },
		{ "", "kid=a alg=HS256 file=nothing", ERR_INPUT, "nothing: the secret has 0 bytes" },
		{ "", "kid=a alg=HS256 file=long", ERR_LIMIT, "long: the secret is longer than 1024" },
		{ "nothing", "kid=a alg=RS256 file=rsa.pem", ERR_INPUT, "nothing: the secret has 0" },
		/* public keys */
		{ "", "kid=a alg=RS256 file=missing.pem", ERR_SYSTEM, "missing.pem: No such file" },
		{ "", "kid=a alg=RS256 file=/", ERR_INPUT, "/: not a file" },
		{ "", "kid=a alg=RS256 file=garbage", ERR_INPUT, "garbage: holds no public key in PEM" },
		{ "", "kid=a alg=RS256 file=nothing", ERR_INPUT, "nothing: holds no public key" },
		{ "", "kid=a alg=RS256 file=broken", ERR_INPUT, "broken: holds no public key" },
		{ "", "kid=a alg=RS256 file=encrypted", ERR_INPUT, "encrypted: holds no public key" },
		{ "", "kid=a alg=RS256 file=certificate", ERR_INPUT, "certificate: holds no public" },
		{ "", "kid=a alg=RS256 file=pkcs1.pem", ERR_INPUT, "pkcs1.pem: holds no public key" },
		{ "", "kid=a alg=RS256 file=huge", ERR_LIMIT, "huge: longer than 16384 bytes" },
		{ "", "kid=a alg=RS256 file=private.pem", ERR_INPUT,
		  "private.pem: holds a private key; only the public key belongs here" },
		{ "", "kid=a alg=RS256 file=both.pem", ERR_INPUT, "both.pem: holds a private key" },
		{ "", "kid=a alg=ES256 file=ec-private.pem", ERR_INPUT,
		  "ec-private.pem: holds a private key" },
		{ "", "kid=a alg=RS256 file=twice.pem", ERR_INPUT, "twice.pem: holds more than one PEM" },
		{ "", "kid=a alg=ES256 file=world.pem", ERR_DENIED,
		  "world.pem: others may replace the key" },
		{ "", "kid=a alg=RS256 file=ec.pem", ERR_INPUT, "ec.pem: not an RSA key" },
		{ "", "kid=a alg=RS256 file=pss.pem", ERR_INPUT, "pss.pem: not an RSA key" },
		{ "", "kid=a alg=ES256 file=rsa.pem", ERR_INPUT, "rsa.pem: not an EC key" },
		{ "", "kid=a alg=ES256 file=ed25519.pem", ERR_INPUT, "ed25519.pem: not an EC key" },
		{ "", "kid=a alg=RS256 file=rsa1024.pem", ERR_INPUT,
		  "rsa1024.pem: an RSA key of 1024 bits, at least 2048 are needed" },
		{ "", "kid=a alg=RS256 file=rsa2040.pem", ERR_INPUT, "rsa2040.pem: an RSA key of 2040" },
		{ "", "kid=a alg=RS256 file=one.pem", ERR_INPUT,
		  "one.pem: libcrypto finds the key unsound" },
		{ "", "kid=a alg=ES256 file=p384.pem", ERR_INPUT,
		  "p384.pem: an EC key on secp384r1, ES256 needs one on P-256 (prime256v1)" },
		{ "", "kid=a alg=ES256 file=p521.pem", ERR_INPUT, "p521.pem: an EC key on secp521r1" },
		{ "", "kid=a alg=ES256 file=k1.pem", ERR_INPUT, "k1.pem: an EC key on secp256k1" },
		/* the second is no better for the first */
		{ "secret", "kid=a alg=RS256 file=rsa.pem kid=b alg=RS256 file=rsa1024.pem", ERR_INPUT,
		  "rsa1024.pem: " },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct token_keys *keys = NULL;
		struct buf why = BUF_INIT(1024);
		enum err err = token_keys_load(rows[i].path, rows[i].list, &keys, &why);

		assert_null(keys);
		if (err != rows[i].err || strncmp(buf_cstr(&why), rows[i].why,
		        strlen(rows[i].why)) != 0 || strchr(why.data, '\n') != NULL)
			fail_msg("%s: %s \"%s\"", rows[i].list, err_name(err), why.data);
		buf_fini(&why);
	}
}

/* A public key is no secret, even if its file is closed as one. */
static void
test_pem_as_secret(void **state)
{
	static const char *const names[] = { "rsa.pem", "ec.pem", "private.pem", "certificate" };

	(void)state;
	for (size_t i = 0; i < countof(names); i++) {
		struct token_keys *keys = NULL;
		struct buf why = BUF_INIT(1024);
		char list[64];

		assert_int_equal(chmod(names[i], 0600), 0);
		snprintf(list, sizeof(list), "kid=a alg=HS256 file=%s", names[i]);
		assert_int_equal(token_keys_load("", list, &keys, &why), ERR_INPUT);
		assert_non_null(strstr(buf_cstr(&why), "a PEM file is no secret"));
		buf_reset(&why);
		assert_int_equal(token_keys_load(names[i], "", &keys, &why), ERR_INPUT);
		assert_non_null(strstr(buf_cstr(&why), "a PEM file is no secret"));
		assert_null(keys);
		assert_int_equal(chmod(names[i], 0644), 0);
		buf_fini(&why);
	}
}

static void
test_ring(void **state)
{
	struct token_keys *keys = load("secret", "\tkid=r alg=RS256  file=talkative.pem\n"
	    "kid=e not_after=2026-12-31T00:00:00Z file=ec.pem alg=ES256 \r\n"
	    "kid=" NAME64 " alg=HS256 file=other ");
	static const char *const kids[] = { "", "r", "e", NAME64 };
	static const enum token_alg algs[] = { TOKEN_HS256, TOKEN_RS256, TOKEN_ES256, TOKEN_HS256 };
	const struct token_key *key;
	size_t pos = 0;

	(void)state;
	for (size_t i = 0; i < countof(kids); i++) {
		key = token_keys_next(keys, &pos);
		assert_non_null(key);
		assert_string_equal(key->kid, kids[i]);
		assert_int_equal(key->alg, algs[i]);
		assert_int_equal(key->not_after, i == 2 ? 1798675200 : TOKEN_FOREVER);
		assert_ptr_equal(token_keys_find(keys, text_of(kids[i])), i == 0 ? NULL : key);
		assert_true(token_keys_know(keys, key->fingerprint));
		assert_int_equal(token_keys_end(keys, key->fingerprint), key->not_after);
	}
	assert_null(token_keys_next(keys, &pos));
	assert_null(token_keys_find(keys, text_of("R")));
	assert_null(token_keys_find(keys, text_of(NULL)));
	assert_null(token_keys_find(keys, (struct text){ "r\0", 2 }));
	key = token_keys_find(keys, text_of("r"));
	/* Written by ourselves: what surrounded it is gone. */
	assert_memory_equal(key->content, "-----BEGIN PUBLIC KEY-----\n", 27);
	assert_int_equal(token_keys_end(keys, key->fingerprint + 1), 0);
	assert_false(token_keys_know(keys, key->fingerprint + 1));
	token_keys_free(&keys);
	assert_null(keys);
	token_keys_free(&keys);
}

/* A key is the same by another name, and not the same for another algorithm or content. */
static void
test_fingerprints(void **state)
{
	struct token_keys *a = load("secret", ""), *b = load("", "kid=b alg=HS256 file=secret"),
	    *c = load("", "kid=b alg=HS256 file=other"), *d = load("", "kid=b alg=RS256 file=rsa.pem"),
	    *e = load("", "kid=e alg=RS256 file=talkative.pem not_after=2026-12-31T00:00:00Z");
	struct token_keys *all[] = { a, b, c, d, e };
	uint64_t prints[countof(all)];

	(void)state;
	for (size_t i = 0; i < countof(all); i++) {
		size_t pos = 0;

		prints[i] = token_keys_next(all[i], &pos)->fingerprint;
	}
	assert_true(prints[0] == prints[1]);
	assert_true(prints[1] != prints[2]);
	assert_true(prints[2] != prints[3]);
	assert_true(prints[3] == prints[4]);
	for (size_t i = 0; i < countof(all); i++)
		token_keys_free(&all[i]);
	/* By two names it lasts as long as the longer. */
	a = load("", "kid=1 alg=RS256 file=rsa.pem not_after=2026-12-31T00:00:00Z "
	    "kid=2 alg=RS256 file=rsa.pem not_after=2026-12-31T00:00:01Z "
	    "kid=3 alg=RS256 file=rsa.pem not_after=2026-12-30T00:00:00Z");
	assert_int_equal(token_keys_end(a, prints[3]), 1798675201);
	token_keys_free(&a);
}

/* Signed is with the secret without a name, else with the last secret that still counts. */
static void
test_signer(void **state)
{
	static const char list[] = "kid=1 alg=HS256 file=secret "
	    "kid=2 alg=HS256 file=other not_after=2026-12-31T00:00:00Z kid=3 alg=ES256 file=ec.pem";
	struct token_keys *keys = load("other", list);

	(void)state;
	assert_string_equal(token_keys_signer(keys, 0)->kid, "");
	token_keys_free(&keys);
	keys = load("", list);
	assert_string_equal(token_keys_signer(keys, 1798675199)->kid, "2");
	assert_string_equal(token_keys_signer(keys, 1798675200)->kid, "1");
	token_keys_free(&keys);
	keys = load("", "kid=3 alg=ES256 file=ec.pem kid=r alg=RS256 file=rsa.pem");
	assert_null(token_keys_signer(keys, 0));
	token_keys_free(&keys);
}

/* Sixteen named keys, and the secret beside them. */
static void
test_limit(void **state)
{
	struct buf list = BUF_INIT(8192), why = BUF_INIT(1024);
	struct token_keys *keys;
	struct token_keys *none = NULL;
	size_t pos = 0, count = 0;

	(void)state;
	for (int i = 0; i < TOKEN_KEYS_MAX; i++)
		buf_printf(&list, "kid=%d alg=ES256 file=ec.pem ", i);
	keys = load("", buf_cstr(&list));
	token_keys_free(&keys);
	keys = load("secret", buf_cstr(&list));
	while (token_keys_next(keys, &pos) != NULL)
		count++;
	assert_int_equal(count, TOKEN_KEYS_MAX + 1);
	token_keys_free(&keys);
	buf_puts(&list, "kid=more alg=ES256 file=ec.pem");
	assert_int_equal(token_keys_load("secret", buf_cstr(&list), &none, &why), ERR_LIMIT);
	assert_string_equal(buf_cstr(&why), "jwt_keys: kid=more: more than 16 keys");
	buf_reset(&why);
	assert_int_equal(token_keys_load("", buf_cstr(&list), &none, &why), ERR_LIMIT);
	assert_null(none);
	buf_fini(&list);
	buf_fini(&why);
}

static void
test_algorithms(void **state)
{
	enum token_alg alg;

	(void)state;
	for (enum token_alg i = TOKEN_HS256; i <= TOKEN_ES256; i++) {
		assert_true(token_alg_parse(text_of(token_alg_name(i)), &alg));
		assert_int_equal(alg, i);
	}
	assert_false(token_alg_parse(text_of(""), &alg));
	assert_false(token_alg_parse(text_of("none"), &alg));
	assert_false(token_alg_parse(text_of("HS384"), &alg));
	assert_false(token_alg_parse((struct text){ "HS256\0", 6 }, &alg));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pem_as_secret),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_signer),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_algorithms),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
