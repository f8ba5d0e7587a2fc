/* transfer.h: one HTTP request and its answer. transfer.c is the only module that sees libcurl. */
#ifndef CTL_TRANSFER_H
#define CTL_TRANSFER_H

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct transfer {
	const char *url;     /* http or https; redirects are not followed */
	const char *socket;  /* connect to this unix socket; NULL: to the URL's host */
	const char *bearer;  /* NULL: none */
	const char *json;    /* posted; NULL: a GET */
	const char *ca_file; /* certificates to trust instead of the system's; NULL: those */
	long timeout_s;

	int status;              /* out: the answer's, or 0: there was none */
	struct buf answer;       /* out: its body; the caller frees it */
	int64_t retry_after_s;   /* out: what the answer asks for, or 0 */
	bool passing;            /* out: without an answer, may it be another time? */
	char error[256];         /* out: why there was none */
};

void transfer_run(struct transfer *transfer);

#endif
