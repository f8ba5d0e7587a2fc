/* beside.h: a shell command that runs while something is measured. */
#ifndef BENCH_BESIDE_H
#define BENCH_BESIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct beside {
	pid_t pid; /* 0: none, or it has ended */
	int64_t begun_us, took_us;
};

/* command may be NULL: then nothing is run. */
void beside_start(struct beside *beside, const char *command);

/* Asks without waiting. A command that fails ends the program. */
bool beside_is_running(struct beside *beside);

#endif
