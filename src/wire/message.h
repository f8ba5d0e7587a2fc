/*
 * message.h: the messages of the contract as JSON: what goes to watchers, and what workers send.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/faults.h"
#include "model/progress.h"
#include "wire/form.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>

/* An upper bound of a progress message's bytes, every text escaped at its worst. */
#define MESSAGE_MAX 16384

/* Appends the progress message: eight members, and "revision" as the ninth if asked for. */
void message_write_progress(struct buf *out, const struct progress *p, bool with_revision);

/* Appends {"type":"ping","timestamp":"..."}. */
void message_write_ping(struct buf *out, int64_t now);

/* The acknowledgement that client_messages = ack answers with. */
extern const char message_ack[];

/*
 * Reads an update from a JSON object or from a form. Forms and JSON differ in one thing: in a form
 * an empty value counts as left out. In a batch line (with_session) the object carries session_id
 * too. All that is wrong is added to faults, and the return value is ERR_INPUT then; else ERR_OK.
 * The update's texts are borrowed from json or form.
 *
 * Checked here: unknown members, types, UTF-8 and lengths, signs. Not here: what needs the table of
 * stages (model/progress.h).
 */
enum err message_read_update(const struct json *json, bool with_session, struct update *out,
    struct faults *faults) MUST_USE;
enum err message_read_update_form(const struct form *form, struct update *out,
    struct faults *faults) MUST_USE;

/*
 * Is this text message of a watcher {"type":"refresh","token":"..."}? If so, appends the token to
 * out and returns true.
 */
bool message_read_refresh(struct text text, struct buf *token);

/* Appends an application/problem+json object. faults may be NULL; extra, if present, is appended
 * as further members, such as `"current":{...}`. */
void message_write_problem(struct buf *out, int status, const char *title, struct text detail,
    const struct faults *faults, struct text extra);

#endif
