/*
 * sole.h: that at most one process at a time shares a database with other hosts, by a lock on the
 * database's own file, of which SQLite knows nothing: whoever has another name for the file meets it
 * too, and a copy has one of its own.
 */
#ifndef STORE_SOLE_H
#define STORE_SOLE_H

#include "base/attr.h"
#include "base/err.h"

/* Takes it, until this process ends: to let go before would take SQLite's own locks away, which the
 * kernel drops with any descriptor of the file. ERR_CONFLICT: another process has it. ERR_ABSENT: no
 * such file. ERR_SYSTEM: errno tells. */
enum err sole_take(const char *database_path) MUST_USE;

#endif
