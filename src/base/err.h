/*
 * err.h: the one closed set of ways in which a function of ours can fail.
 *
 * Every fallible function returns enum err; results travel through its last parameters, which are
 * untouched unless the answer is ERR_OK (a header says where that differs). "Not yet" (ERR_AGAIN)
 * is an answer, not a failure. Only programs log; the layers below return.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	ERR_OK = 0,
	ERR_AGAIN,    /* not yet: more bytes are needed, or the descriptor must become ready */
	ERR_INPUT,    /* the peer sent something malformed */
	ERR_LIMIT,    /* well formed, but over a limit of ours */
	ERR_AUTH,     /* no valid credential */
	ERR_DENIED,   /* a valid credential, but not for this */
	ERR_ABSENT,   /* no such thing */
	ERR_CONFLICT, /* the thing is not in a state that permits this */
	ERR_BUSY,     /* the database stayed locked for longer than we wait */
	ERR_FULL,     /* the disk is full, or the file may not be written */
	ERR_NOMEM,    /* no memory */
	ERR_SYSTEM,   /* anything else of the outside world: the module's error text or errno tells */
};

/* A short lower-case word for logs, such as "busy". Never NULL. */
const char *err_name(enum err err);

#endif
