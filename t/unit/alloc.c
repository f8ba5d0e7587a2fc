/* alloc.c: malloc, calloc, realloc and strdup of our own, before those of libc or the sanitizer. */
#include "alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <json-c/json.h>
#include <openssl/hmac.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define JSON_C_LOOKS (17 << 8) /* 0.17 */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REAL(name) __interceptor_##name
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define REAL(name) __interceptor_##name
#endif

#ifdef REAL
#include <sanitizer/lsan_interface.h>
#else
#define REAL(name) __libc_##name
#define __lsan_disable() ((void)0)
#define __lsan_enable() ((void)0)
#endif

/* Seen by the libraries too. free needs no replacement: the memory is of libc or the sanitizer. */
#define EVERYWHERE __attribute__((visibility("default")))

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *data, size_t size);

static unsigned until_failure; /* 0: none fails */
static enum alloc_plan failing;
static bool failed;

void
alloc_fail(unsigned n, enum alloc_plan plan)
{
	failed = false;
	failing = plan;
	until_failure = n;
}

bool
alloc_stop(void)
{
	until_failure = 0;
	return failed;
}

void
alloc_may_leak(bool may)
{
	if (may)
		__lsan_disable();
	else
		__lsan_enable();
}

static bool
fails(void)
{
	if (until_failure == 0 || --until_failure > 0)
		return false;
	failed = true;
	if (failing == ALLOC_ALL)
		until_failure = 1;
	errno = ENOMEM;
	return true;
}

EVERYWHERE void *
malloc(size_t size)
{
	return fails() ? NULL : REAL(malloc)(size);
}

EVERYWHERE void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : REAL(calloc)(count, size);
}

EVERYWHERE void *
realloc(void *data, size_t size)
{
	return fails() ? NULL : REAL(realloc)(data, size);
}

/* --- what the libraries themselves don't survive --- */

/* json-c before 0.17 doesn't look at what strdup gave it for a member's name. */
static bool
is_spared(const void *caller)
{
	Dl_info info;

	return json_c_version_num() < JSON_C_LOOKS && dladdr(caller, &info) != 0 &&
	    strstr(info.dli_fname, "libjson-c") != NULL;
}

/* libc's would do but for the spared; the sanitizer's doesn't call malloc. */
EVERYWHERE char *
strdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = is_spared(__builtin_return_address(0)) ? REAL(malloc)(size) : malloc(size);

	return copy != NULL ? memcpy(copy, s, size) : NULL;
}

EVERYWHERE char *json_dumps(const void *json, size_t flags);

/* jansson's. libjwt 1.10 asks for the length of the string even where there is none, and loses it
 * where it finds no room for a copy. */
EVERYWHERE char *
json_dumps(const void *json, size_t flags)
{
	char *(*real)(const void *, size_t);
	unsigned rest = until_failure;
	char *text;

	*(void **)&real = dlsym(RTLD_NEXT, "json_dumps");
	until_failure = 0;
	alloc_may_leak(true);
	text = real(json, flags);
	alloc_may_leak(false);
	until_failure = rest;
	return text;
}

/* libcrypto's. libjwt 1.10 doesn't look whether it failed, and goes on with what lay on its stack or
 * heap, as libcrypto 1.1 leaves it: zeros, here, so that a token may be forged for it. */
EVERYWHERE unsigned char *
HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *data, size_t len,
    unsigned char *out, unsigned *out_len)
{
	unsigned char *(*real)(const EVP_MD *, const void *, int, const unsigned char *, size_t,
	    unsigned char *, unsigned *);
	unsigned char *mac;

	*(void **)&real = dlsym(RTLD_NEXT, "HMAC");
	mac = real(md, key, key_len, data, len, out, out_len);
	if (mac == NULL) {
		*out_len = (unsigned)EVP_MD_size(md);
		memset(out, 0, *out_len);
	}
	return mac;
}
