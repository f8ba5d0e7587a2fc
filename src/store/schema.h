/* schema.h: making the database and bringing it up to date with the embedded sql/ migrations. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

/* The version that this program needs: the number of its newest migration. */
int schema_version(void);

/*
 * Creates the database (mode 0660 less the umask) or applies the migrations that it lacks, each in
 * a transaction of its own. *from and *to get the version before (0: there was none) and after.
 * Errors as store_open's, but an older schema is what it mends.
 */
enum err schema_init(const char *path, int *from, int *to, struct buf *why) MUST_USE;

#endif
