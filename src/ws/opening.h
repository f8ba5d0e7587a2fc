/* opening.h: from the first bytes of a connection to a verdict: a watcher, a page, or a refusal. */
#ifndef WS_OPENING_H
#define WS_OPENING_H

#include "ws/conn.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes that came while the state is CONN_HEAD. Bytes behind the head go on to the transport. */
void opening_read(struct conn *conn, uint8_t *data, size_t len);

/* The head did not come in time. */
void opening_timeout(struct conn *conn);

void opening_head_free(struct head **head);

#endif
