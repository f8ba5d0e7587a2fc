/* fuzz-config.c: the configuration file: taken, or refused in one line that names the file. */
#include "fuzz.h"

#include "base/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf why = BUF_INIT(4096), printed = BUF_INIT(1 << 20);
	struct config *config = NULL;
	char path[64];
	int fd = memfd_create("config", 0);

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, &config, &why) == ERR_OK) {
		config_print(config, &printed);
		MUST(printed.err == ERR_OK && why.len == 0);
	} else {
		MUST(config == NULL && why.len > strlen(path));
		MUST(memcmp(why.data, path, strlen(path)) == 0);
	}
	config_free(&config);
	buf_fini(&printed);
	buf_fini(&why);
	close(fd);
	return 0;
}
