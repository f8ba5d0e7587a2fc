/* service.c: readiness messages to systemd. */
#include "base/service.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

static void
notify(const char *state)
{
	/* Without a supervisor that listens this does nothing, and there is nobody to tell. */
	(void)sd_notify(0, state);
}
#else
static void
notify(const char *state)
{
	(void)state;
}
#endif

void
service_ready(void)
{
	notify("READY=1");
}

void
service_reloading(void)
{
	notify("RELOADING=1");
}

void
service_stopping(void)
{
	notify("STOPPING=1");
}
