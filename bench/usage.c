/* usage.c: what process trees use: CPU time by each process's own clock, and memory. */
#include "usage.h"

#include "base/clock.h"
#include "base/text.h"
#include "fatal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 64 /* of one tree */

void
trees_add(struct trees *trees, char *text)
{
	char *equals = strchr(text, '=');
	unsigned long long pid;

	if (trees->count == USAGE_TREES)
		fatal("more than %d process trees", USAGE_TREES);
	if (equals == NULL || !text_number(text_of(equals + 1), INT_MAX, &pid))
		fatal("\"%s\" is not NAME=PID", text);
	*equals = '\0';
	trees->all[trees->count++] = (struct tree){ .name = text, .pid = (pid_t)pid };
}

/* 0: there is no such process. */
static pid_t
parent_of(pid_t pid)
{
	char path[64], line[512];
	pid_t parent = 0;
	const char *end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	/* The name, in parentheses, may hold anything. */
	if (fgets(line, sizeof(line), file) != NULL && (end = strrchr(line, ')')) != NULL)
		if (sscanf(end + 1, " %*c %d", &parent) != 1)
			parent = 0;
	fclose(file);
	return parent;
}

static size_t
add_children(pid_t *pids, size_t count, pid_t parent)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned long long pid;

	if (proc == NULL)
		fatal("/proc: %s", strerror(errno));
	while ((entry = readdir(proc)) != NULL)
		if (text_number(text_of(entry->d_name), INT_MAX, &pid) &&
		    parent_of((pid_t)pid) == parent && count < PROCESSES)
			pids[count++] = (pid_t)pid;
	closedir(proc);
	return count;
}

/* The process and its descendants. */
static size_t
list(pid_t root, pid_t pids[PROCESSES])
{
	size_t count = 0;

	pids[count++] = root;
	for (size_t i = 0; i < count; i++)
		count = add_children(pids, count, pids[i]);
	return count;
}

static int64_t
clock_ns(clockid_t clock)
{
	struct timespec at;

	if (clock_gettime(clock, &at) != 0)
		fatal("clock_gettime: %s", strerror(errno));
	return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static int64_t
cpu_ns(pid_t pid)
{
	clockid_t clock;
	int rc = clock_getcpuclockid(pid, &clock);

	if (rc != 0)
		fatal("process %d: %s", pid, strerror(rc));
	return clock_ns(clock);
}

/* The busy columns of /proc/stat's first line, in ticks. */
static int64_t
machine_cpu_ns(void)
{
	long long user, nice, system, idle, iowait, irq, softirq, steal;
	FILE *file = fopen("/proc/stat", "re");

	if (file == NULL)
		fatal("/proc/stat: %s", strerror(errno));
	if (fscanf(file, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &user, &nice, &system,
	        &idle, &iowait, &irq, &softirq, &steal) != 8)
		fatal("/proc/stat does not begin as it should");
	fclose(file);
	return (user + nice + system + irq + softirq + steal) *
	       (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
}

static int64_t
pss_kb(pid_t pid)
{
	char path[64], line[256];
	long long kb = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	if (file == NULL)
		fatal("%s: %s", path, strerror(errno));
	while (kb < 0 && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Pss: %lld", &kb) != 1)
			kb = -1;
	fclose(file);
	if (kb < 0)
		fatal("%s names no Pss", path);
	return kb;
}

static void
sum_up(const struct trees *trees, int64_t (*of)(pid_t), int64_t sums[USAGE_TREES])
{
	for (size_t i = 0; i < trees->count; i++) {
		pid_t pids[PROCESSES];
		size_t count = list(trees->all[i].pid, pids);

		sums[i] = 0;
		for (size_t j = 0; j < count; j++)
			sums[i] += of(pids[j]);
	}
}

void
usage_read_cpu(const struct trees *trees, struct usage *out)
{
	sum_up(trees, cpu_ns, out->cpu_ns);
	out->own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	out->machine_cpu_ns = machine_cpu_ns();
	out->wall_us = clock_mono_us();
}

void
usage_read_pss(const struct trees *trees, struct usage *out)
{
	sum_up(trees, pss_kb, out->pss_kb);
}

void
usage_write_cpu(
    const struct trees *trees, const struct usage *from, const struct usage *to, FILE *out)
{
	int64_t own_ns = to->own_cpu_ns - from->own_cpu_ns;
	double wall_ns = (double)(to->wall_us - from->wall_us) * 1000;
	int64_t elsewhere_ns = to->machine_cpu_ns - from->machine_cpu_ns - own_ns;

	fputs("\"cpu_us\":{", out);
	for (size_t i = 0; i < trees->count; i++) {
		int64_t ns = to->cpu_ns[i] - from->cpu_ns[i];

		fprintf(out, "%s\"%s\":%lld", i > 0 ? "," : "", trees->all[i].name,
		    (long long)ns / 1000);
		elsewhere_ns -= ns;
	}
	fprintf(out, "},\"load_cpus\":%.3f,\"elsewhere_cpus\":%.3f", (double)own_ns / wall_ns,
	    (double)elsewhere_ns / wall_ns);
}

static void
write_kb(const char *name, const struct trees *trees, const struct usage *usage, FILE *out)
{
	fprintf(out, "\"%s\":{", name);
	for (size_t i = 0; i < trees->count; i++)
		fprintf(out, "%s\"%s\":%lld", i > 0 ? "," : "", trees->all[i].name,
		    (long long)usage->pss_kb[i]);
	fputc('}', out);
}

void
usage_write_pss(
    const struct trees *trees, const struct usage *from, const struct usage *to, FILE *out)
{
	write_kb("pss_before_kb", trees, from, out);
	fputc(',', out);
	write_kb("pss_kb", trees, to, out);
}
