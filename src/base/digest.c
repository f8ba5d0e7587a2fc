/* digest.c: SHA-1, SHA-256 and random bytes by libcrypto; hex and base64 of our own. */
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>

/* Of libcrypto's default provider, fetched once: each use of EVP_sha256() itself would search for it
 * anew, under a lock that all threads share. NULL where libcrypto refuses. Never freed. */
static EVP_MD *sha1, *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static enum err
digest(EVP_MD *const *md, const void *data, size_t len, uint8_t *out)
{
	pthread_once(&once, fetch);
	if (*md == NULL)
		return ERR_SYSTEM;
	return EVP_Digest(data, len, out, NULL, *md, NULL) == 1 ? ERR_OK : ERR_SYSTEM;
}

enum err
digest_sha1(const void *data, size_t len, uint8_t out[SHA1_LEN])
{
	return digest(&sha1, data, len, out);
}

enum err
digest_sha256(const void *data, size_t len, uint8_t out[SHA256_LEN])
{
	return digest(&sha256, data, len, out);
}

enum err
digest_random(void *out, size_t len)
{
	return RAND_bytes(out, (int)len) == 1 ? ERR_OK : ERR_SYSTEM;
}

bool
digest_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
digest_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

void
digest_base64(const void *data, size_t len, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, data, (int)len);
}

static int
base64url_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

enum err
digest_unbase64url(struct text in, uint8_t *out, size_t *out_len)
{
	uint32_t bits = 0;
	size_t n = 0;

	if (in.len % 4 == 1)
		return ERR_INPUT;
	for (size_t i = 0; i < in.len; i++) {
		int value = base64url_value((unsigned char)in.s[i]);

		if (value < 0)
			return ERR_INPUT;
		bits = (bits << 6) | (uint32_t)value;
		/* Each character past the first of a group of four completes one byte. */
		if (i % 4 != 0)
			out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	*out_len = n;
	return ERR_OK;
}
