/* pem.c: what libcrypto is asked about a public key. */
#include "token/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#define PEM_BEGIN "-----BEGIN "

static bool
contains(struct text t, const char *what)
{
	return memmem(t.s, t.len, what, strlen(what)) != NULL;
}

bool
pem_is_in(struct text text)
{
	return contains(text, PEM_BEGIN);
}

/* libcrypto would ask for it at the terminal. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *
parse_pem(struct text pem)
{
	BIO *bio = BIO_new_mem_buf(pem.s, (int)pem.len);
	EVP_PKEY *pkey;

	if (bio == NULL)
		return NULL;
	pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return pkey;
}

/* Is it a key that libcrypto itself finds in order? */
static bool
is_sound(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool sound = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return sound;
}

static enum err
check_rsa(EVP_PKEY *pkey, const char *path, struct buf *why)
{
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA) {
		buf_printf(why, "%s: not an RSA key, as RS256 needs it", path);
		return ERR_INPUT;
	}
	if (EVP_PKEY_get_bits(pkey) < PEM_RSA_BITS_MIN) {
		buf_printf(why, "%s: an RSA key of %d bits, at least %d are needed", path,
		    EVP_PKEY_get_bits(pkey), PEM_RSA_BITS_MIN);
		return ERR_INPUT;
	}
	return ERR_OK;
}

static enum err
check_ec(EVP_PKEY *pkey, const char *path, struct buf *why)
{
	char curve[64] = "an unknown curve";

	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC) {
		buf_printf(why, "%s: not an EC key, as ES256 needs it", path);
		return ERR_INPUT;
	}
	if (EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) != 1 ||
	    strcmp(curve, "prime256v1") != 0) {
		buf_printf(why, "%s: an EC key on %s, ES256 needs one on P-256 (prime256v1)", path,
		    curve);
		return ERR_INPUT;
	}
	return ERR_OK;
}

static enum err
write_public(EVP_PKEY *pkey, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	enum err err = ERR_NOMEM;
	char *data;

	if (bio != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1) {
		long len = BIO_get_mem_data(bio, &data);

		if (len > 0)
			buf_add(out, data, (size_t)len);
		err = len > 0 ? out->err : ERR_NOMEM;
	}
	BIO_free(bio);
	return err;
}

static enum err
check_public(enum pem_kind kind, EVP_PKEY *pkey, const char *path, struct buf *why)
{
	enum err err = kind == PEM_RSA ? check_rsa(pkey, path, why) : check_ec(pkey, path, why);

	if (err == ERR_OK && !is_sound(pkey)) {
		buf_printf(why, "%s: libcrypto finds the key unsound", path);
		return ERR_INPUT;
	}
	return err;
}

/* What can be seen from outside: exactly one block, and nothing private. */
static enum err
check_pem(struct text file, const char *path, struct buf *why)
{
	const char *first = memmem(file.s, file.len, PEM_BEGIN, strlen(PEM_BEGIN));

	if (contains(file, "PRIVATE KEY-----")) {
		buf_printf(why, "%s: holds a private key; only the public key belongs here: openssl "
		    "pkey -pubout", path);
		return ERR_INPUT;
	}
	if (first != NULL && contains((struct text){ first + 1,
	        file.len - (size_t)(first - file.s) - 1 }, PEM_BEGIN)) {
		buf_printf(why, "%s: holds more than one PEM block", path);
		return ERR_INPUT;
	}
	return ERR_OK;
}

static enum err
read_checked(enum pem_kind kind, const char *path, struct text file, struct buf *out, struct buf *why)
{
	EVP_PKEY *pkey = parse_pem(file);
	enum err err = ERR_INPUT;

	if (pkey == NULL) {
		buf_printf(why, "%s: holds no public key in PEM (BEGIN PUBLIC KEY)", path);
		return err;
	}
	err = check_public(kind, pkey, path, why);
	if (err == ERR_OK) {
		err = write_public(pkey, out);
		if (err != ERR_OK)
			buf_printf(why, "%s: %s", path,
			    err == ERR_LIMIT ? "the key is too long" : "libcrypto fails");
	}
	EVP_PKEY_free(pkey);
	return err;
}

enum err
pem_read(enum pem_kind kind, const char *path, struct text file, struct buf *out, struct buf *why)
{
	enum err err;

	if (file.len > PEM_FILE_MAX) {
		buf_printf(why, "%s: longer than %d bytes", path, PEM_FILE_MAX);
		return ERR_LIMIT;
	}
	err = check_pem(file, path, why);
	if (err == ERR_OK)
		err = read_checked(kind, path, file, out, why);
	ERR_clear_error();
	return err;
}
