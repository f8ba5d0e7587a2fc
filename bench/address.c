/* address.c: where a server listens, and connections to it. */
#include "address.h"

#include "base/fd.h"
#include "base/text.h"
#include "fatal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096 /* as milepost-ws and the sample nginx have it */

static void
parse_unix(struct address *out, const char *path)
{
	struct sockaddr_un *addr = (struct sockaddr_un *)&out->sockaddr;

	if (strlen(path) >= sizeof(addr->sun_path))
		fatal("\"%s\" is too long for a unix socket", path);
	addr->sun_family = AF_UNIX;
	strcpy(addr->sun_path, path);
	out->len = sizeof(*addr);
}

static void
parse_tcp(struct address *out, const char *host_port)
{
	struct sockaddr_in *addr = (struct sockaddr_in *)&out->sockaddr;
	const char *colon = strrchr(host_port, ':');
	char host[INET_ADDRSTRLEN] = "";
	unsigned long long port;

	if (colon == NULL || (size_t)(colon - host_port) >= sizeof(host) ||
	    !text_number(text_of(colon + 1), 65535, &port))
		fatal("\"tcp:%s\" is not tcp:ADDRESS:PORT", host_port);
	memcpy(host, host_port, (size_t)(colon - host_port));
	if (inet_pton(AF_INET, host, &addr->sin_addr) != 1)
		fatal("\"%s\" is not an IPv4 address", host);
	addr->sin_family = AF_INET;
	addr->sin_port = htons((uint16_t)port);
	out->len = sizeof(*addr);
}

struct address
address_parse(const char *text)
{
	struct address address = { .len = 0 };
	struct text rest = text_of(text);

	if (text_skip(&rest, "unix:"))
		parse_unix(&address, rest.s);
	else if (text_skip(&rest, "tcp:"))
		parse_tcp(&address, rest.s);
	else
		fatal("\"%s\" is neither unix:PATH nor tcp:ADDRESS:PORT", text);
	return address;
}

static int
open_socket(const struct address *address)
{
	int fd = socket(address->sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fatal("socket: %s", strerror(errno));
	return fd;
}

int
address_connect(const struct address *address)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	const int on = 1;
	int fd = open_socket(address);

	if (connect(fd, (const struct sockaddr *)&address->sockaddr, address->len) != 0)
		fatal("connect: %s", strerror(errno));
	if (address->sockaddr.ss_family == AF_INET) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		/* Thousands in TIME_WAIT would use up the ports of the next round. */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	if (fd_nonblocking(fd) != ERR_OK)
		fatal("fcntl: %s", strerror(errno));
	return fd;
}

static void NORETURN
on_term(int sig)
{
	(void)sig;
	_exit(EXIT_SUCCESS);
}

int
address_listen(const char *text)
{
	struct address address = address_parse(text);
	int fd = open_socket(&address);

	signal(SIGTERM, on_term);
	if (address.sockaddr.ss_family == AF_UNIX)
		unlink(((const struct sockaddr_un *)&address.sockaddr)->sun_path);
	if (bind(fd, (const struct sockaddr *)&address.sockaddr, address.len) != 0 ||
	    listen(fd, BACKLOG) != 0 || fd_nonblocking(fd) != ERR_OK)
		fatal("listen: %s", strerror(errno));
	return fd;
}
