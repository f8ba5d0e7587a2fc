/*
 * fuzz-token.c: a token as it came, which must never be good, and claims (behind a header and a newline,
 * if there is one) that are signed here, so that what lies behind the signature is reached too.
 */
#include "fuzz.h"

#include "base/digest.h"
#include "token/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1766140200
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static void
add_part(struct buf *out, const void *data, size_t len)
{
	char *room = buf_room(out, 4 * len + 8);

	MUST(room != NULL);
	out->len += (size_t)EVP_EncodeBlock((unsigned char *)room, data, (int)len);
	while (out->len > 0 && out->data[out->len - 1] == '=')
		out->len--;
	for (size_t i = 0; i < out->len; i++)
		out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
}

static void
sign(const uint8_t *data, size_t size, struct buf *out)
{
	const uint8_t *newline = memchr(data, '\n', size);
	size_t header = newline != NULL ? (size_t)(newline - data) : 0;
	unsigned char mac[32];
	unsigned len = sizeof(mac);

	if (newline != NULL)
		add_part(out, data, header++);
	else
		add_part(out, HEADER, strlen(HEADER));
	buf_puts(out, ".");
	add_part(out, data + header, size - header);
	HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (unsigned char *)out->data, out->len, mac, &len);
	buf_puts(out, ".");
	add_part(out, mac, len);
}

static enum token_cause
verify(struct text token)
{
	static const struct token_rules rules = { .issuer = "", .audience = "", .leeway = 30 };
	static struct token_keys *keys;
	struct token_claims claims;
	enum token_cause cause;

	if (keys == NULL)
		MUST(token_keys_new(text_of(SECRET), &keys) == ERR_OK);
	cause = token_verify(keys, &rules, token, NOW, &claims);
	MUST(cause != TOKEN_OK || claims.expires + 30 > NOW);
	return cause;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf token = BUF_INIT(1 << 20);

	MUST(verify((struct text){ (const char *)data, size }) != TOKEN_OK);
	if (size < 4000) {
		sign(data, size, &token);
		verify(buf_view(&token));
	}
	buf_fini(&token);
	return 0;
}
