/* usage.h: what process trees use: CPU time and memory. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define USAGE_TREES 8

/* A process and all that it started, under a name such as "nginx". */
struct tree {
	const char *name;
	pid_t pid;
};

struct trees {
	struct tree all[USAGE_TREES];
	size_t count;
};

struct usage {
	int64_t cpu_ns[USAGE_TREES]; /* user and system time, of threads that ended too */
	int64_t pss_kb[USAGE_TREES]; /* proportional set size: what is shared counts in parts */
	int64_t wall_us;             /* when the times were read */
	int64_t own_cpu_ns;          /* of this process */
	int64_t machine_cpu_ns;      /* of all processors, with what a hypervisor took */
};

/* "NAME=PID"; anything else ends the program. The text must stay. */
void trees_add(struct trees *trees, char *text);

/* Either part alone: reading the memory of a large process takes a while. */
void usage_read_cpu(const struct trees *trees, struct usage *out);
void usage_read_pss(const struct trees *trees, struct usage *out);

/* Writes "cpu_us":{"NAME":...},"load_cpus":...,"elsewhere_cpus":... of what was used between the
 * two, the latter per second: by this process, and by what is neither it nor a tree, which should
 * be little. */
void usage_write_cpu(
    const struct trees *trees, const struct usage *from, const struct usage *to, FILE *out);

/* Writes "pss_before_kb":{"NAME":...},"pss_kb":{"NAME":...}. */
void usage_write_pss(
    const struct trees *trees, const struct usage *from, const struct usage *to, FILE *out);

#endif
