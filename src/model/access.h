/* access.h: who may do what. Pure decisions; where the facts come from is the callers' business. */
#ifndef MODEL_ACCESS_H
#define MODEL_ACCESS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "model/id.h"

#include <stdbool.h>

enum role { ROLE_NONE, ROLE_PATIENT, ROLE_THERAPIST, ROLE_ADMIN };

/* ERR_INPUT: none of "patient", "therapist", "admin". */
enum err role_parse(struct text t, enum role *out) MUST_USE;
const char *role_name(enum role role);

/*
 * The role that counts: that of the user's row, if there is one; else what the token claims, where
 * tokens are trusted (users = token). ROLE_NONE: the user is unknown or inactive.
 */
enum role access_role(bool has_row, bool active, enum role row, bool trusted, enum role claimed);

/* What a key may do. An admin key may do all that a worker key may. */
enum scope { SCOPE_WORKER, SCOPE_ADMIN };

/* ERR_INPUT: neither "worker" nor "admin". */
enum err scope_parse(struct text t, enum scope *out) MUST_USE;
const char *scope_name(enum scope scope);

/* May this role watch any session? */
bool access_may_watch_any(enum role role);

/* May this user watch a session of this patient? (Contract section 1.) has_patient is false where
 * the session belongs to nobody. */
bool access_may_watch(enum role role, const struct id *user, bool has_patient,
    const struct id *patient);

#endif
