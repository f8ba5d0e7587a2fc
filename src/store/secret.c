/* secret.c: making random texts and their hashes. */
#include "store/secret.h"

#include <string.h>

#define SECRET_BYTES 32

enum err
secret_make(const char *prefix, char text[SECRET_TEXT_LEN + 1], uint8_t hash[SHA256_LEN])
{
	uint8_t bytes[SECRET_BYTES];
	char base64[4 * ((SECRET_BYTES + 2) / 3) + 1];

	if (digest_random(bytes, sizeof(bytes)) != ERR_OK)
		return ERR_SYSTEM;
	digest_base64(bytes, sizeof(bytes), base64);
	memcpy(text, prefix, SECRET_PREFIX_LEN);
	for (size_t i = 0; i < SECRET_TEXT_LEN - SECRET_PREFIX_LEN; i++) {
		char c = base64[i];

		text[SECRET_PREFIX_LEN + i] = c == '+' ? '-' : c == '/' ? '_' : c;
	}
	text[SECRET_TEXT_LEN] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(base64, sizeof(base64));
	return digest_sha256(text, SECRET_TEXT_LEN, hash);
}
