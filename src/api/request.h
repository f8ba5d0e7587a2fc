/* request.h: a request as the handlers see it, whether it came by FastCGI or by CGI. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define LENGTH_ABSENT (-1)
#define LENGTH_INVALID (-2)

/* All texts live as long as the request. */
struct request {
	struct text method;
	struct text path; /* decoded, without the query */
	struct text query;
	struct text authorization; /* absent if there is no such header, as the next two */
	struct text content_type;
	struct text if_none_match;
	int64_t content_length; /* or LENGTH_* */
	/* Reads at most len bytes of the body; 0 at its end. */
	size_t (*read)(void *arg, char *data, size_t len);
	void *read_arg;
};

/* Fills in the texts and the length from CGI variables (RFC 3875), which get looks up: the path is
 * PATH_INFO, or REQUEST_URI without its query. */
void request_from_cgi(struct request *request, const char *(*get)(void *arg, const char *name),
    void *arg);

#endif
