/* clock.c: wall and monotonic time. */
#include "base/clock.h"

#include <time.h>

int64_t
clock_wall(void)
{
	return (int64_t)time(NULL);
}

static int64_t
in_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall_us(void)
{
	return in_us(CLOCK_REALTIME);
}

int64_t
clock_mono_us(void)
{
	return in_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}
