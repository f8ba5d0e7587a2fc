/* screen.c: a line by three escape sequences, signals by signalfd. */
#include "ctl/screen.h"

#include "base/attr.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"
#define CLEAR_REST "\033[K"
#define COLUMNS 80 /* where the terminal does not say */

struct screen {
	int signals;
	sigset_t set, before;
};

static bool
is_capable(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
}

struct screen *
screen_open(void)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
	struct screen *screen = is_capable() ? calloc(1, sizeof(*screen)) : NULL;

	if (screen == NULL)
		return NULL;
	sigemptyset(&screen->set);
	for (size_t i = 0; i < countof(caught); i++)
		sigaddset(&screen->set, caught[i]);
	sigprocmask(SIG_BLOCK, &screen->set, &screen->before);
	screen->signals = signalfd(-1, &screen->set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen->signals < 0) {
		sigprocmask(SIG_SETMASK, &screen->before, NULL);
		free(screen);
		return NULL;
	}
	fputs(HIDE_CURSOR, stdout);
	fflush(stdout);
	return screen;
}

void
screen_close(struct screen **address)
{
	struct screen *screen = *address;

	*address = NULL;
	if (screen == NULL)
		return;
	fputs("\n" SHOW_CURSOR, stdout);
	fflush(stdout);
	close(screen->signals);
	sigprocmask(SIG_SETMASK, &screen->before, NULL);
	free(screen);
}

/* One less than there are: in the last column some terminals go to the next line. */
size_t
screen_columns(const struct screen *screen UNUSED)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return COLUMNS - 1;
	return size.ws_col - 1u;
}

void
screen_draw(struct screen *screen UNUSED, struct text line)
{
	printf("\r%.*s" CLEAR_REST, TEXT_ARG(line));
	fflush(stdout);
}

int
screen_fd(const struct screen *screen)
{
	return screen->signals;
}

/* SIGSTOP instead of SIGTSTP, which is blocked. Execution goes on here after SIGCONT. */
static void
stop(void)
{
	fputs("\n" SHOW_CURSOR, stdout);
	fflush(stdout);
	raise(SIGSTOP);
	fputs(HIDE_CURSOR, stdout);
}

void
screen_signal(struct screen **screen)
{
	struct signalfd_siginfo info;

	while (read((*screen)->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			continue;
		if (info.ssi_signo == SIGTSTP) {
			stop();
			continue;
		}
		/* Let through now, it ends the program as if it had never been caught. */
		screen_close(screen);
		raise((int)info.ssi_signo);
		_exit(EXIT_FAILURE);
	}
}
