/* err.c: names of the errors, for logs. */
#include "base/err.h"

const char *
err_name(enum err err)
{
	switch (err) {
	case ERR_OK:
		return "ok";
	case ERR_AGAIN:
		return "again";
	case ERR_INPUT:
		return "input";
	case ERR_LIMIT:
		return "limit";
	case ERR_AUTH:
		return "auth";
	case ERR_DENIED:
		return "denied";
	case ERR_ABSENT:
		return "absent";
	case ERR_CONFLICT:
		return "conflict";
	case ERR_BUSY:
		return "busy";
	case ERR_FULL:
		return "full";
	case ERR_NOMEM:
		return "no-memory";
	case ERR_SYSTEM:
		return "system";
	}
	return "unknown";
}
