/*
 * digest.h: hashes, random bytes and their spellings (hex, base64). The only module that sees
 * libcrypto, save token/keys.h, which asks it about public keys.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define SHA1_LEN 20
#define SHA256_LEN 32

/* Cannot fail for want of input; ERR_SYSTEM if libcrypto refuses (FIPS without SHA-1, say). */
enum err digest_sha1(const void *data, size_t len, uint8_t out[SHA1_LEN]) MUST_USE;
enum err digest_sha256(const void *data, size_t len, uint8_t out[SHA256_LEN]) MUST_USE;

/* Fit for keys. ERR_SYSTEM: the system gave none. */
enum err digest_random(void *out, size_t len) MUST_USE;

/* True if equal; the time taken does not depend on where they differ. */
bool digest_equal(const void *a, const void *b, size_t len);

/* Lower-case hex, 2 * len characters and a NUL. */
void digest_hex(const void *data, size_t len, char *out);

/* RFC 4648 section 4, with padding: out needs 4 * ((len + 2) / 3) + 1 bytes. */
void digest_base64(const void *data, size_t len, char *out);

/*
 * RFC 4648 section 5 without padding, as in JWTs. out needs in.len * 3 / 4 bytes. ERR_INPUT: a
 * character that is not of the alphabet, or an impossible length.
 */
enum err digest_unbase64url(struct text in, uint8_t *out, size_t *out_len) MUST_USE;

#endif
