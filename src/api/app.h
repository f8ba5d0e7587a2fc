/* app.h: what all requests of a milepost-api process share, and what each of its threads has. */
#ifndef API_APP_H
#define API_APP_H

#include "api/commit.h"
#include "api/memo.h"
#include "base/attr.h"
#include "base/config.h"
#include "base/err.h"
#include "store/store.h"
#include "token/token.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* A configuration with its keys: immutable, shared by the requests that began with it. */
struct settings {
	atomic_uint refs;
	struct config *config;
	struct token_keys *keys;
	struct token_rules rules; /* borrows from config */
};

/* Reads configuration and keys. On failure why gets one line. One reference, the caller's. */
enum err settings_load(const char *path, struct settings **out, struct buf *why) MUST_USE;
void settings_drop(struct settings **settings);

enum app_counter {
	COUNT_STORED,
	COUNT_SAME,
	COUNT_CONFLICT,
	COUNT_INVALID,
	COUNT_LOGINS,
	COUNT_LOGIN_FAILURES,
	COUNT_AUTH_MISSING,
	COUNT_AUTH_KEY,   /* an unknown key */
	COUNT_AUTH_USER,  /* a good token of an unknown or inactive user */
	COUNT_AUTH_TOKEN, /* + enum token_cause: a token that fails */
	COUNT_STATUS = COUNT_AUTH_TOKEN + TOKEN_FAULT + 1, /* + status / 100: requests */
	COUNT__MAX = COUNT_STATUS + 6
};

struct app {
	pthread_mutex_t lock; /* of settings */
	struct settings *settings;
	struct commit *commit;
	unsigned threads; /* that serve, by the first settings */
	pthread_mutex_t logins; /* of both numbers */
	pthread_cond_t login_left;
	unsigned logins_now, logins_waiting;
	atomic_ullong requests; /* begun so far */
	atomic_uint revocations; /* how often a remembered key turned out to be revoked */
	atomic_ullong counters[COUNT__MAX];
};

/* Takes the caller's reference of settings. mode as commit_new's. Errors and why are store_open's. */
enum err app_new(struct settings *settings, enum store_mode mode, struct app **out, struct buf *why)
    MUST_USE;
void app_free(struct app **app);

/* The present settings, with a reference for the caller. */
struct settings *app_settings(struct app *app);

/* Takes over new ones (and the caller's reference). */
void app_reload(struct app *app, struct settings *settings);

void app_count(struct app *app, enum app_counter counter);
void app_count_more(struct app *app, enum app_counter counter, unsigned count);

/* One thread's part: a connection for reading, and the keys that it met. */
struct worker {
	struct app *app;
	struct store *store;
	struct memo keys;
	unsigned revocations; /* the app's, when keys was last cleared */
};

/* Errors and why are store_open's. */
enum err worker_init(struct worker *worker, struct app *app, struct buf *why) MUST_USE;
void worker_fini(struct worker *worker);

/* Sees that the connection is to the file that is there, for the next request. ERR_BUSY: there is none
 * that can be opened. */
enum err worker_renew(struct worker *worker) MUST_USE;

#endif
