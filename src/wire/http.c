/* http.c: RFC 9112's grammar of a request head, without its leniencies, and responses. */
#include "wire/http.h"

#include <string.h>

size_t
http_head_end(const char *data, size_t len, size_t *scanned)
{
	/* The empty line may begin up to three bytes before what was scanned. */
	size_t from = *scanned > 3 ? *scanned - 3 : 0;
	const char *end = memmem(data + from, len - from, "\r\n\r\n", 4);

	*scanned = len;
	return end != NULL ? (size_t)(end - data) + 4 : 0;
}

/* RFC 9110 section 5.6.2. */
static bool
is_token_char(char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool
http_is_token(struct text t)
{
	for (size_t i = 0; i < t.len; i++)
		if (!is_token_char(t.s[i]))
			return false;
	return t.len > 0;
}

/* Visible ASCII, of which a request target consists. */
static bool
is_target(struct text t)
{
	if (t.len == 0 || t.s[0] != '/')
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (t.s[i] <= ' ' || t.s[i] >= 0x7f || t.s[i] == '#')
			return false;
	return true;
}

/* RFC 9110 section 5.5: no control characters but the tab. */
static bool
is_field_value(struct text t)
{
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Cuts t at the first byte c: *t becomes what is behind it. False if there is none. */
static bool
cut(struct text *t, char c, struct text *before)
{
	const char *at = t->len > 0 ? memchr(t->s, c, t->len) : NULL;

	if (at == NULL)
		return false;
	*before = (struct text){ t->s, (size_t)(at - t->s) };
	t->len -= before->len + 1;
	t->s = at + 1;
	return true;
}

/* The next line without its CRLF. A lone CR or LF stays in it, for whoever reads it to refuse. */
static struct text
next_line(struct text *rest)
{
	const char *end = memmem(rest->s, rest->len, "\r\n", 2);
	struct text line = { rest->s, (size_t)(end - rest->s) };

	rest->s += line.len + 2;
	rest->len -= line.len + 2;
	return line;
}

static const char *
parse_request_line(struct text line, struct http_head *head)
{
	struct text target;

	if (!cut(&line, ' ', &head->method) || !http_is_token(head->method))
		return "malformed request line";
	if (!cut(&line, ' ', &target) || !is_target(target))
		return "malformed request target";
	if (!text_is(line, "HTTP/1.1"))
		return "not HTTP/1.1";
	head->query = (struct text){ NULL, 0 };
	if (cut(&target, '?', &head->path))
		head->query = target;
	else
		head->path = target;
	return NULL;
}

static const char *
parse_header(struct text line, struct http_header *header)
{
	if (!cut(&line, ':', &header->name) || !http_is_token(header->name))
		return "malformed header";
	header->value = text_trim(line);
	return is_field_value(header->value) ? NULL : "malformed header value";
}

/* What must hold of the headers together. */
static const char *
check_headers(const struct http_head *head)
{
	struct text value = { NULL, 0 };

	return http_header(head, "Host", &value) == 1 ? NULL : "exactly one Host is needed";
}

/* However it is framed, or said to be: nobody reads on behind the head. */
static bool
announces_body(const struct http_head *head)
{
	struct text value = { NULL, 0 };
	size_t lengths = http_header(head, "Content-Length", &value);

	return lengths > 1 || (lengths == 1 && !text_is(value, "0")) ||
	    http_header(head, "Transfer-Encoding", &value) > 0;
}

enum err
http_parse(const char *data, size_t len, struct http_head *out, const char **why)
{
	struct text rest = { data, len };

	out->header_count = 0;
	*why = parse_request_line(next_line(&rest), out);
	while (*why == NULL) {
		struct text line = next_line(&rest);

		if (line.len == 0)
			break;
		if (out->header_count == HTTP_HEADERS_MAX) {
			*why = "too many headers";
			return ERR_LIMIT;
		}
		*why = parse_header(line, &out->headers[out->header_count++]);
	}
	if (*why == NULL)
		*why = check_headers(out);
	if (*why == NULL)
		out->has_body = announces_body(out);
	return *why == NULL ? ERR_OK : ERR_INPUT;
}

size_t
http_header(const struct http_head *head, const char *name, struct text *value)
{
	size_t count = 0;

	for (size_t i = 0; i < head->header_count; i++) {
		if (!text_is_nocase(head->headers[i].name, name))
			continue;
		if (count++ == 0)
			*value = head->headers[i].value;
	}
	return count;
}

bool
http_next_element(struct text *list, struct text *element)
{
	do {
		if (list->s == NULL)
			return false;
		if (!cut(list, ',', element)) {
			*element = *list;
			*list = (struct text){ NULL, 0 };
		}
		*element = text_trim(*element);
	} while (element->len == 0);
	return true;
}

bool
http_header_lists(const struct http_head *head, const char *name, const char *token)
{
	for (size_t i = 0; i < head->header_count; i++) {
		struct text list = head->headers[i].value, element;

		if (!text_is_nocase(head->headers[i].name, name))
			continue;
		while (http_next_element(&list, &element))
			if (text_is_nocase(element, token))
				return true;
	}
	return false;
}

const char *
http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < countof(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Error";
}

void
http_write_start(struct buf *out, int status)
{
	buf_printf(out,
	    "HTTP/1.1 %d %s\r\n"
	    "Connection: close\r\n",
	    status, http_reason(status));
}

void
http_write_body_unsent(struct buf *out, const char *content_type, struct text body)
{
	buf_printf(out,
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "\r\n",
	    content_type, body.len);
}

void
http_write_body(struct buf *out, const char *content_type, struct text body)
{
	http_write_body_unsent(out, content_type, body);
	buf_text(out, body);
}

void
http_write_no_body(struct buf *out)
{
	buf_puts(out, "\r\n");
}
