/* test-digest.c: the standards' test vectors of hashes and spellings. */
#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *input, *sha1, *sha256;
} hashes[] = {
	{ "", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void
test_hashes(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(hashes); i++) {
		size_t len = strlen(hashes[i].input);
		uint8_t sha1[SHA1_LEN], sha256[SHA256_LEN];
		char hex[2 * SHA256_LEN + 1];

		assert_int_equal(digest_sha1(hashes[i].input, len, sha1), ERR_OK);
		digest_hex(sha1, sizeof(sha1), hex);
		assert_string_equal(hex, hashes[i].sha1);
		assert_int_equal(digest_sha256(hashes[i].input, len, sha256), ERR_OK);
		digest_hex(sha256, sizeof(sha256), hex);
		assert_string_equal(hex, hashes[i].sha256);
	}
}

static void
test_random(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	assert_int_equal(digest_random(a, sizeof(a)), ERR_OK);
	assert_int_equal(digest_random(b, sizeof(b)), ERR_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(digest_random(a, 0), ERR_OK);
}

static void
test_equal(void **state)
{
	(void)state;
	assert_true(digest_equal("abc", "abc", 3));
	assert_true(digest_equal("abc", "abd", 2));
	assert_true(digest_equal("abc", "xyz", 0));
	for (size_t at = 0; at < 3; at++) {
		char other[] = "abc";

		other[at] ^= 1;
		assert_false(digest_equal("abc", other, 3));
	}
}

static void
test_hex(void **state)
{
	char hex[17];

	(void)state;
	digest_hex("\x00\x01\x0f\x10\x7f\x80\xfe\xff", 8, hex);
	assert_string_equal(hex, "00010f107f80feff");
	digest_hex("", 0, hex);
	assert_string_equal(hex, "");
}

/* RFC 4648 section 10. */
static const struct {
	const char *plain, *base64;
} spellings[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

static void
test_base64(void **state)
{
	char out[16];

	(void)state;
	for (size_t i = 0; i < countof(spellings); i++) {
		digest_base64(spellings[i].plain, strlen(spellings[i].plain), out);
		assert_string_equal(out, spellings[i].base64);
	}
	digest_base64("\xfb\xff\xfe", 3, out);
	assert_string_equal(out, "+//+");
}

static void
test_unbase64url(void **state)
{
	uint8_t out[16];
	size_t len;

	(void)state;
	for (size_t i = 0; i < countof(spellings); i++) {
		struct text in = { spellings[i].base64, strcspn(spellings[i].base64, "=") };

		assert_int_equal(digest_unbase64url(in, out, &len), ERR_OK);
		assert_int_equal(len, strlen(spellings[i].plain));
		assert_memory_equal(out, spellings[i].plain, len);
	}
	assert_int_equal(digest_unbase64url(text_of("-__-"), out, &len), ERR_OK);
	assert_int_equal(len, 3);
	assert_memory_equal(out, "\xfb\xff\xfe", 3);
}

/* Every byte as the second of four characters: 64 are of the alphabet, the padding is not. */
static void
test_unbase64url_alphabet(void **state)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	(void)state;
	for (int c = 0; c < 256; c++) {
		char in[] = "AxAA";
		const char *at = c != 0 ? strchr(alphabet, c) : NULL;
		uint8_t out[3];
		size_t len = 99;
		enum err err;

		in[1] = (char)c;
		err = digest_unbase64url((struct text){ in, 4 }, out, &len);
		assert_int_equal(err, at != NULL ? ERR_OK : ERR_INPUT);
		assert_int_equal(len, at != NULL ? 3 : 99);
		if (at != NULL)
			assert_int_equal(out[0] << 4 | out[1] >> 4, at - alphabet);
	}
}

static void
test_unbase64url_lengths(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 13; len++) {
		/* Exactly as large as the header asks for, so that the sanitizer sees one more. */
		uint8_t *out = malloc(len * 3 / 4 + (len * 3 / 4 == 0));
		struct text in = { "AAAAAAAAAAAAA", len };
		size_t out_len = 0;

		assert_int_equal(digest_unbase64url(in, out, &out_len),
		    len % 4 == 1 ? ERR_INPUT : ERR_OK);
		if (len % 4 != 1)
			assert_int_equal(out_len, len * 3 / 4);
		free(out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_unbase64url),
		cmocka_unit_test(test_unbase64url_alphabet),
		cmocka_unit_test(test_unbase64url_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
