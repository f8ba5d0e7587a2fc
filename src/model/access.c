/* access.c: roles, scopes, and the one rule of who may watch. */
#include "model/access.h"

static const char *const roles[] = {
	[ROLE_NONE] = "none",
	[ROLE_PATIENT] = "patient",
	[ROLE_THERAPIST] = "therapist",
	[ROLE_ADMIN] = "admin",
};

static const char *const scopes[] = {
	[SCOPE_WORKER] = "worker",
	[SCOPE_ADMIN] = "admin",
};

enum err
role_parse(struct text t, enum role *out)
{
	for (size_t i = ROLE_PATIENT; i < countof(roles); i++) {
		if (text_is(t, roles[i])) {
			*out = (enum role)i;
			return ERR_OK;
		}
	}
	return ERR_INPUT;
}

const char *
role_name(enum role role)
{
	return roles[role];
}

enum role
access_role(bool has_row, bool active, enum role row, bool trusted, enum role claimed)
{
	if (has_row)
		return active ? row : ROLE_NONE;
	return trusted ? claimed : ROLE_NONE;
}

enum err
scope_parse(struct text t, enum scope *out)
{
	for (size_t i = 0; i < countof(scopes); i++) {
		if (text_is(t, scopes[i])) {
			*out = (enum scope)i;
			return ERR_OK;
		}
	}
	return ERR_INPUT;
}

const char *
scope_name(enum scope scope)
{
	return scopes[scope];
}

bool
access_may_watch_any(enum role role)
{
	return role == ROLE_THERAPIST || role == ROLE_ADMIN;
}

bool
access_may_watch(enum role role, const struct id *user, bool has_patient, const struct id *patient)
{
	return access_may_watch_any(role) ||
	    (role == ROLE_PATIENT && has_patient && id_equal(user, patient));
}
