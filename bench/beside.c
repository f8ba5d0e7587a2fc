/* beside.c: a shell command that runs while something is measured. */
#include "beside.h"

#include "base/clock.h"
#include "fatal.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void
beside_start(struct beside *beside, const char *command)
{
	*beside = (struct beside){ .begun_us = clock_mono_us() };
	if (command == NULL)
		return;
	beside->pid = fork();
	if (beside->pid < 0)
		fatal("fork: %s", strerror(errno));
	if (beside->pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		fatal("/bin/sh: %s", strerror(errno));
	}
}

bool
beside_is_running(struct beside *beside)
{
	int status;

	if (beside->pid == 0 || waitpid(beside->pid, &status, WNOHANG) == 0)
		return beside->pid != 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fatal("the command beside failed");
	beside->pid = 0;
	beside->took_us = clock_mono_us() - beside->begun_us;
	return false;
}
