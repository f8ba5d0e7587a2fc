/* request.c: a request out of CGI variables. */
#include "api/request.h"

#include <string.h>

static int64_t
read_length(const char *s)
{
	unsigned long long n;

	if (s == NULL || s[0] == '\0')
		return LENGTH_ABSENT;
	return text_number(text_of(s), INT64_MAX, &n) ? (int64_t)n : LENGTH_INVALID;
}

static struct text
or_empty(const char *s)
{
	return text_of(s != NULL ? s : "");
}

/* A header that is empty counts as absent: CGI can't tell the two apart. */
static struct text
header(const char *s)
{
	return text_of(s != NULL && s[0] != '\0' ? s : NULL);
}

void
request_from_cgi(struct request *request, const char *(*get)(void *arg, const char *name), void *arg)
{
	struct text path = header(get(arg, "PATH_INFO"));

	if (path.s == NULL) {
		path = or_empty(get(arg, "REQUEST_URI"));
		path.len = strcspn(path.s, "?");
	}
	*request = (struct request){
		.method = or_empty(get(arg, "REQUEST_METHOD")),
		.path = path,
		.query = or_empty(get(arg, "QUERY_STRING")),
		.authorization = header(get(arg, "HTTP_AUTHORIZATION")),
		.content_type = header(get(arg, "CONTENT_TYPE")),
		.if_none_match = header(get(arg, "HTTP_IF_NONE_MATCH")),
		.content_length = read_length(get(arg, "CONTENT_LENGTH")),
	};
}
