/* handshake.c: RFC 6455 section 4.2.1 (what the client must send) and 4.2.2 (what we answer). */
#include "wire/handshake.h"

#include "base/digest.h"

#include <string.h>

#define KEY_LEN 24 /* 16 bytes in base64 */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static bool
is_base64_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    c == '+' || c == '/';
}

/* 16 bytes are 21 characters, one of which the four lowest bits are zero, and two of padding. */
static bool
is_key(struct text key)
{
	if (key.len != KEY_LEN || key.s[22] != '=' || key.s[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!is_base64_char(key.s[i]))
			return false;
	return strchr("AQgw", key.s[21]) != NULL;
}

/* The token of the pair "bearer, <token>", in one header or in two; absent if something else is
 * offered. False: an element is no token. */
static bool
find_bearer(const struct http_head *head, struct text *token)
{
	struct text offered[2] = { { NULL, 0 }, { NULL, 0 } };
	size_t count = 0;

	for (size_t i = 0; i < head->header_count; i++) {
		struct text list = head->headers[i].value, element;

		if (!text_is_nocase(head->headers[i].name, "Sec-WebSocket-Protocol"))
			continue;
		while (http_next_element(&list, &element)) {
			if (!http_is_token(element))
				return false;
			if (count < countof(offered))
				offered[count] = element;
			count++;
		}
	}
	if (count == 2 && text_is(offered[0], "bearer"))
		*token = offered[1];
	return true;
}

/* What a request for a WebSocket of our version is malformed in, or NULL. */
static const char *
read_fields(const struct http_head *head, struct handshake *out)
{
	if (!http_header_lists(head, "Connection", "upgrade"))
		return "Upgrade without Connection: Upgrade";
	if (http_header(head, "Sec-WebSocket-Key", &out->key) != 1 || !is_key(out->key))
		return "exactly one Sec-WebSocket-Key of 16 bytes is needed";
	if (!find_bearer(head, &out->bearer))
		return "Sec-WebSocket-Protocol is no list of tokens";
	return NULL;
}

enum err
handshake_read(const struct http_head *head, struct handshake *out, const char **why)
{
	struct handshake handshake = { .key = { NULL, 0 } };
	struct text version = { NULL, 0 };
	size_t versions = http_header(head, "Sec-WebSocket-Version", &version);

	if (!http_header_lists(head, "Upgrade", "websocket") || versions == 0)
		return ERR_ABSENT;
	if (versions > 1) {
		*why = "Sec-WebSocket-Version is given twice";
		return ERR_INPUT;
	}
	if (!text_is(version, "13"))
		return ERR_ABSENT;
	*why = read_fields(head, &handshake);
	if (*why != NULL)
		return ERR_INPUT;
	*out = handshake;
	return ERR_OK;
}

enum err
handshake_write(struct buf *out, const struct handshake *handshake, bool with_bearer)
{
	char input[KEY_LEN + sizeof(GUID)], accept[4 * ((SHA1_LEN + 2) / 3) + 1];
	uint8_t digest[SHA1_LEN];

	memcpy(input, handshake->key.s, KEY_LEN);
	memcpy(input + KEY_LEN, GUID, sizeof(GUID));
	if (digest_sha1(input, KEY_LEN + sizeof(GUID) - 1, digest) != ERR_OK)
		return ERR_SYSTEM;
	digest_base64(digest, sizeof(digest), accept);
	buf_printf(out,
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n"
	    "%s\r\n",
	    accept, with_bearer ? "Sec-WebSocket-Protocol: bearer\r\n" : "");
	return ERR_OK;
}
