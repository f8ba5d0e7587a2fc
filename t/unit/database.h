/* database.h: an empty database of Milepost's in a folder of its own, for one test. */
#ifndef UNIT_DATABASE_H
#define UNIT_DATABASE_H

struct database {
	char dir[32];
	char path[64];
};

/* 0; or -1, as a cmocka setup that fails. */
int database_make(struct database *out);

/* Removes it with all that SQLite and the bell put beside it. It must not be open any more. */
void database_remove(const struct database *database);

#endif
