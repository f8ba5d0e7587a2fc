/* password.h: password hashes by libcrypt: yescrypt for new ones, bcrypt and others as given. */
#ifndef TOKEN_PASSWORD_H
#define TOKEN_PASSWORD_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

#define PASSWORD_MIN 8   /* bytes */
#define PASSWORD_MAX 511 /* bytes; libcrypt's limit */

/* Appends a new yescrypt hash. ERR_INPUT: too short, too long, or with a NUL. ERR_SYSTEM. */
enum err password_hash(struct text password, struct buf *out) MUST_USE;

/*
 * Does the password fit the hash? An absent hash (no such user) never fits, but costs as much time
 * as one of password_hash, so that an answer's time does not tell who exists.
 */
bool password_fits(struct text password, struct text hash);

/* Is this a hash that libcrypt can check: yescrypt, bcrypt, sha512crypt or sha256crypt, at a cost that a
 * login can bear (bcrypt's 15, say)? All others are refused. */
bool password_is_hash(struct text hash);

#endif
