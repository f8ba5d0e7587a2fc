/* address.h: where a server listens, as the command line names it. */
#ifndef BENCH_ADDRESS_H
#define BENCH_ADDRESS_H

#include <sys/socket.h>

struct address {
	struct sockaddr_storage sockaddr;
	socklen_t len;
};

/* "unix:/path" or "tcp:127.0.0.1:8000"; anything else ends the program. */
struct address address_parse(const char *text);

/* A connected, non-blocking stream socket, which the caller closes. Waits where the listener's
 * queue is full; a refusal ends the program. */
int address_connect(const struct address *address);

/* A server's listening, non-blocking socket at an address as above; a stale unix socket is replaced.
 * From then on SIGTERM ends the program, with success. */
int address_listen(const char *text);

#endif
