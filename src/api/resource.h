/* resource.h: what the backend's resources, users and sessions, have in common. */
#ifndef API_RESOURCE_H
#define API_RESOURCE_H

#include "api/route.h"
#include "model/id.h"
#include "wire/json.h"

#include <stdbool.h>

/* The id of the path, for which only an admin may ask. missing is the 404's detail. False: the reply
 * is made. */
bool resource_open(struct call *call, const char *missing, struct id *id) MUST_USE;

/* Reads the body as a JSON object and hands it to fn, or makes the reply of what is wrong. */
typedef void (*resource_fn)(struct call *call, const struct json *json, void *arg);
void resource_with_json(struct call *call, resource_fn fn, void *arg);

/* Serves GET: write appends what there is of the id. ERR_ABSENT: nothing; other errors are the store's. */
typedef enum err (*resource_write_fn)(struct store *store, const struct id *id, struct buf *out);
void resource_get(struct call *call, const char *missing, resource_write_fn write);

/* Serves DELETE: idempotent, so one that is gone already, ERR_ABSENT, is as good as deleted. */
typedef enum err (*resource_delete_fn)(struct store *store, const struct id *id);
void resource_delete(struct call *call, const char *missing, resource_delete_fn delete);

#endif
