/*
 * secret.h: random texts that open something for whoever has them (keys, tickets), of which only the
 * SHA-256 is stored. They have 256 random bits, so the plain hash can't be searched for. Inside
 * src/store only.
 */
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

#include "base/attr.h"
#include "base/digest.h"
#include "base/err.h"

#define SECRET_PREFIX_LEN 4
#define SECRET_TEXT_LEN 47 /* the prefix and 43 characters of base64url */

/* Makes one, with this prefix, which tells people and secret scanners what it is. ERR_SYSTEM: no random
 * bytes. The caller wipes text. */
enum err secret_make(const char *prefix, char text[SECRET_TEXT_LEN + 1], uint8_t hash[SHA256_LEN])
    MUST_USE;

#endif
