/* cgi.h: serving the one request of a plain CGI process (RFC 3875). */
#ifndef API_CGI_H
#define API_CGI_H

#include "api/app.h"

#include <stdbool.h>

/* Was this process started by a web server for one request? */
bool cgi_is_asked(void);

/* Serves the request of the environment and standard input on standard output. */
void cgi_serve(struct worker *worker);

/* Answers 503 where not even the database could be opened: the web server gets an answer, the log
 * the reason. */
void cgi_fail(void);

#endif
