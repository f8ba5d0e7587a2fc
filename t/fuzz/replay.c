/* replay.c: runs an entry point over its corpus, every file whole and cut at every byte, without libFuzzer. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define INPUT_MAX (1u << 20)
#define CUT_MAX 512 /* longer files are run whole only */

/* A copy of its own size, so that the sanitizer sees a byte too many. */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	MUST(copy != NULL);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void
run_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	run(data, size);
	for (size_t cut = 0; size <= CUT_MAX && cut < size; cut++)
		run(data, cut);
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	const char *srcdir = getenv("srcdir");
	char folder[1024], path[2048];
	struct dirent *entry;
	unsigned files = 0;
	DIR *dir;

	(void)argc;
	name = (name != NULL ? name + 1 : argv[0]) + strlen("fuzz-");
	snprintf(folder, sizeof(folder), "%s/t/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".", name);
	dir = opendir(folder);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		run_file(path);
		files++;
	}
	if (dir != NULL)
		closedir(dir);
	printf("%s: %u inputs\n", name, files);
	return files > 0 ? 0 : 1;
}
