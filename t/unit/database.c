/* database.c: making and removing a test's database. */
#include "database.h"

#include "base/attr.h"
#include "base/buf.h"
#include "store/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
database_make(struct database *out)
{
	struct buf why = BUF_INIT(1024);
	enum err err;
	int from, to;

	snprintf(out->dir, sizeof(out->dir), "/tmp/milepost.XXXXXX");
	if (mkdtemp(out->dir) == NULL)
		return -1;
	snprintf(out->path, sizeof(out->path), "%s/m.db", out->dir);
	err = schema_init(out->path, &from, &to, &why);
	buf_fini(&why);
	return err == ERR_OK ? 0 : -1;
}

void
database_remove(const struct database *database)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-bell" };
	char path[80];

	for (size_t i = 0; i < countof(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", database->path, suffixes[i]);
		unlink(path);
	}
	rmdir(database->dir);
}
