/* password.c: password hashes by libcrypt. */
#include "token/password.h"

#include "base/digest.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#define BCRYPT_COST_MAX 15
#define SHA_ROUNDS_MAX 5000000
#define YESCRYPT_COST_MAX 15
#define YESCRYPT_PARAMETERS_MAX 5
#define PREFIX "$y$" /* yescrypt, at libcrypt's default cost */

/* What is computed for a user who does not exist; a hash of our own making, at the same cost. */
static const char nobody[] =
    "$y$j9T$MF0DAyURVw.UgJfdt3Pv.0$DchbBUkQIcYeErVyfPRnCWEen.E6fASwpZAByNJ2mNA";

/* The hash that a password gives under a setting (or an earlier hash). False: libcrypt refuses. */
static bool
hash_with(const char *password, const char *setting, char out[CRYPT_OUTPUT_SIZE])
{
	void *data = NULL; /* allocated by libcrypt, as large as the struct; holds the password */
	int size = 0;
	const char *hash = crypt_ra(password, setting, &data, &size);
	bool ok = hash != NULL && hash[0] != '*' && strlen(hash) < CRYPT_OUTPUT_SIZE;

	if (ok)
		memcpy(out, hash, strlen(hash) + 1);
	if (data != NULL)
		explicit_bzero(data, (size_t)size);
	free(data);
	return ok;
}

/* Copies a text that has no NUL and is shorter than size. */
static bool
copy(struct text t, char *out, size_t size)
{
	if (t.s == NULL || t.len >= size || memchr(t.s, '\0', t.len) != NULL)
		return false;
	memcpy(out, t.s, t.len);
	out[t.len] = '\0';
	return true;
}

enum err
password_hash(struct text password, struct buf *out)
{
	char phrase[PASSWORD_MAX + 1], hash[CRYPT_OUTPUT_SIZE];
	char *setting;
	enum err err = ERR_SYSTEM;

	if (password.len < PASSWORD_MIN || !copy(password, phrase, sizeof(phrase)))
		return ERR_INPUT;
	setting = crypt_gensalt_ra(PREFIX, 0, NULL, 0);
	if (setting != NULL && hash_with(phrase, setting, hash)) {
		buf_puts(out, hash);
		err = out->err;
	}
	free(setting);
	explicit_bzero(phrase, sizeof(phrase));
	return err;
}

bool
password_fits(struct text password, struct text hash)
{
	char phrase[PASSWORD_MAX + 1], wanted[CRYPT_OUTPUT_SIZE], got[CRYPT_OUTPUT_SIZE];
	bool usable, fits;

	if (!copy(password, phrase, sizeof(phrase)))
		return false;
	usable = password_is_hash(hash) && copy(hash, wanted, sizeof(wanted));
	fits = hash_with(phrase, usable ? wanted : nobody, got) && usable &&
	    strlen(got) == strlen(wanted) && digest_equal(got, wanted, strlen(wanted));
	explicit_bzero(phrase, sizeof(phrase));
	return fits;
}

/* "$y$j9T$": flags, then N's logarithm less one and the block size as digits, then what is rarely there. */
static bool
yescrypt_is_bearable(const char *parameters)
{
	static const char digits[] =
	    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t len = strcspn(parameters, "$");
	const char *digit;

	if (len < 3 || len > YESCRYPT_PARAMETERS_MAX || parameters[0] != 'j')
		return false;
	digit = strchr(digits, parameters[1]);
	return digit != NULL && digit - digits <= YESCRYPT_COST_MAX;
}

/* Is it of a method, and at a cost (as crypt(5) writes them), that a login can bear? */
static bool
is_bearable(const char *hash)
{
	if (strncmp(hash, "$y$", 3) == 0)
		return yescrypt_is_bearable(hash + 3);
	if (strncmp(hash, "$gy$", 4) == 0)
		return yescrypt_is_bearable(hash + 4);
	if (strncmp(hash, "$2", 2) == 0)
		return strlen(hash) > 6 && atoi(hash + 4) <= BCRYPT_COST_MAX;
	if (strncmp(hash, "$5$rounds=", 10) == 0 || strncmp(hash, "$6$rounds=", 10) == 0)
		return strtoul(hash + 10, NULL, 10) <= SHA_ROUNDS_MAX;
	return strncmp(hash, "$5$", 3) == 0 || strncmp(hash, "$6$", 3) == 0;
}

/*
 * libcrypt judges the method, by the beginning; whether a whole hash follows is seen at its last
 * field, which every method that is still of use writes with 43 characters or more. DES crypt
 * begins without $ (so libcrypt takes any text for it), MD5 crypt is shorter: both are refused.
 */
bool
password_is_hash(struct text hash)
{
	char setting[CRYPT_OUTPUT_SIZE];
	int judged;

	if (!copy(hash, setting, sizeof(setting)) || setting[0] != '$')
		return false;
	judged = crypt_checksalt(setting);
	return (judged == CRYPT_SALT_OK || judged == CRYPT_SALT_METHOD_LEGACY) &&
	    strlen(strrchr(setting, '$') + 1) >= 43 && is_bearable(setting);
}
