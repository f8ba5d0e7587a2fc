/*
 * null-fcgi.c: what FastCGI itself costs: a program that reads a request, answers 200, and does
 * nothing else, by as many threads as milepost-api has.
 */
#include "address.h"
#include "base/text.h"
#include "fatal.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#define THREADS_MAX 1024

static const char answer[] =
    "Status: 200\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

static void *
serve(void *arg)
{
	FCGX_Request request;
	char body[16384];
	int rc;

	FCGX_InitRequest(&request, *(const int *)arg, 0);
	while ((rc = FCGX_Accept_r(&request)) == 0) {
		while (FCGX_GetStr(body, sizeof(body), request.in) > 0)
			;
		FCGX_PutStr(answer, sizeof(answer) - 1, request.out);
		FCGX_Finish_r(&request);
	}
	fatal("FCGX_Accept_r: %d", rc);
}

int
main(int argc, char **argv)
{
	unsigned long long threads;
	pthread_t thread;
	int fd;

	if (argc != 3 || !text_number(text_of(argv[2]), THREADS_MAX, &threads) || threads == 0)
		fatal("usage: null-fcgi unix:PATH THREADS");
	if (FCGX_Init() != 0)
		fatal("FCGX_Init fails");
	fd = address_listen(argv[1]);
	/* libfcgi's accept is to wait. */
	if (fcntl(fd, F_SETFL, 0) != 0)
		fatal("fcntl: %s", strerror(errno));
	for (unsigned long long i = 0; i < threads; i++)
		if ((errno = pthread_create(&thread, NULL, serve, &fd)) != 0)
			fatal("pthread_create: %s", strerror(errno));
	pthread_join(thread, NULL);
	return EXIT_FAILURE;
}
