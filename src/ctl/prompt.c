/* prompt.c: reading a line, with the terminal's echo switched off meanwhile. */
#include "ctl/prompt.h"

#include "ctl/ctl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static void
on_signal(int signal UNUSED)
{
	/* That the read ends is all that is wanted. */
}

/* One read is one line of a terminal; of a pipe it may be less, or more. False: there is none, or
 * it has a NUL. */
static bool
read_line(char *line, size_t size)
{
	const char *end;
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && memchr(line, '\n', len) == NULL) {
		n = read(STDIN_FILENO, line + len, size - 1 - len);
		if (n < 0)
			return false;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len == 0)
		return false;
	end = memchr(line, '\n', len);
	if (end != NULL)
		len = (size_t)(end - line);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	return strlen(line) == len;
}

/* Ctrl-C ends the read instead of the program, so that the echo comes back. */
static bool
ask(const char *prompt, char *line, size_t size)
{
	const struct sigaction interrupt = { .sa_handler = on_signal };
	struct sigaction old_int, old_term;
	struct termios old, quiet;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &old) < 0)
		return false;
	sigaction(SIGINT, &interrupt, &old_int);
	sigaction(SIGTERM, &interrupt, &old_term);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fputs(prompt, stderr);
	ok = read_line(line, size);
	fputs("\n", stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	return ok;
}

void
prompt_password(struct buf *out)
{
	char line[1024], again[1024];

	if (isatty(STDIN_FILENO)) {
		if (!ask("Password: ", line, sizeof(line)) ||
		    !ask("Once more: ", again, sizeof(again)))
			ctl_fail("no password was given; nothing is changed");
		if (strcmp(line, again) != 0)
			ctl_fail("the two passwords differ; nothing is changed");
		explicit_bzero(again, sizeof(again));
	} else if (!read_line(line, sizeof(line))) {
		ctl_fail("standard input has no line with the password");
	}
	buf_puts(out, line);
	explicit_bzero(line, sizeof(line));
}
