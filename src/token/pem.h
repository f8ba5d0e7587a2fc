/* pem.h: public keys in PEM (RFC 7468), checked before any token is verified with them. */
#ifndef TOKEN_PEM_H
#define TOKEN_PEM_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

#define PEM_FILE_MAX 16384 /* bytes; `openssl pkey -text` writes much around a key */
#define PEM_RSA_BITS_MIN 2048 /* RFC 7518 section 3.3 */

enum pem_kind { PEM_RSA, PEM_P256 };

/* Is there the beginning of a PEM block in it? */
bool pem_is_in(struct text text);

/*
 * Appends the one public key in a file's content to out, written anew, so that whoever reads it finds
 * what was checked here and nothing else. On failure why gets one line that begins with the path:
 * ERR_INPUT (no public key, a private one, more than one block, another kind of key, too few bits,
 * unsound), ERR_LIMIT (too long for PEM_FILE_MAX or for out), ERR_NOMEM.
 */
enum err pem_read(enum pem_kind kind, const char *path, struct text file, struct buf *out,
    struct buf *why) MUST_USE;

#endif
