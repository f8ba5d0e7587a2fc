/* app.c: shared state: settings that can be replaced while requests run, and counters. */
#include "api/app.h"

#include "base/log.h"

#include <stdlib.h>

#define PROGRAM "milepost-api"

void
settings_drop(struct settings **address)
{
	struct settings *settings = *address;

	*address = NULL;
	if (settings == NULL || atomic_fetch_sub(&settings->refs, 1) > 1)
		return;
	token_keys_free(&settings->keys);
	config_free(&settings->config);
	free(settings);
}

enum err
settings_load(const char *path, struct settings **out, struct buf *why)
{
	struct settings *settings = calloc(1, sizeof(*settings));
	enum err err = ERR_NOMEM;

	if (settings == NULL) {
		buf_puts(why, "no memory");
		return err;
	}
	atomic_init(&settings->refs, 1);
	err = config_load(path, &settings->config, why);
	if (err == ERR_OK)
		err = token_keys_load(settings->config->jwt_secret_file,
		    settings->config->jwt_keys, &settings->keys, why);
	if (err != ERR_OK) {
		settings_drop(&settings);
		return err;
	}
	settings->rules = (struct token_rules){
		.issuer = settings->config->jwt_issuer,
		.audience = settings->config->jwt_audience,
		.leeway = settings->config->jwt_leeway_ms / 1000,
	};
	log_setup(PROGRAM, (enum log_level)settings->config->log_level,
	    (enum log_format)settings->config->log_format);
	*out = settings;
	return ERR_OK;
}

enum err
app_new(struct settings *settings, enum store_mode mode, struct app **out, struct buf *why)
{
	const struct config *config = settings->config;
	struct app *app = calloc(1, sizeof(*app));
	enum err err = ERR_NOMEM;

	if (app == NULL) {
		buf_puts(why, "no memory");
		return err;
	}
	pthread_mutex_init(&app->lock, NULL);
	pthread_mutex_init(&app->logins, NULL);
	pthread_cond_init(&app->login_left, NULL);
	err = commit_new(config->database,
	    &(struct commit_options){ .mode = mode, .busy_ms = (int)config->busy_timeout_ms,
	        .group_max = (size_t)config->commit_group_max, .wal_max = config->wal_max },
	    &app->commit, why);
	if (err != ERR_OK) {
		app_free(&app);
		return err;
	}
	app->settings = settings;
	app->threads = (unsigned)config->api_threads;
	*out = app;
	return ERR_OK;
}

void
app_free(struct app **address)
{
	struct app *app = *address;

	*address = NULL;
	if (app == NULL)
		return;
	commit_free(&app->commit);
	settings_drop(&app->settings);
	pthread_cond_destroy(&app->login_left);
	pthread_mutex_destroy(&app->logins);
	pthread_mutex_destroy(&app->lock);
	free(app);
}

struct settings *
app_settings(struct app *app)
{
	struct settings *settings;

	pthread_mutex_lock(&app->lock);
	settings = app->settings;
	atomic_fetch_add(&settings->refs, 1);
	pthread_mutex_unlock(&app->lock);
	return settings;
}

void
app_reload(struct app *app, struct settings *settings)
{
	struct settings *old;

	pthread_mutex_lock(&app->lock);
	old = app->settings;
	app->settings = settings;
	pthread_mutex_unlock(&app->lock);
	settings_drop(&old);
}

void
app_count(struct app *app, enum app_counter counter)
{
	app_count_more(app, counter, 1);
}

void
app_count_more(struct app *app, enum app_counter counter, unsigned count)
{
	atomic_fetch_add_explicit(&app->counters[counter], count, memory_order_relaxed);
}

enum err
worker_init(struct worker *worker, struct app *app, struct buf *why)
{
	struct settings *settings = app_settings(app);
	enum err err;

	*worker = (struct worker){ .app = app };
	err = store_open(settings->config->database, STORE_READ,
	    (int)settings->config->busy_timeout_ms, &worker->store, why);
	settings_drop(&settings);
	return err;
}

enum err
worker_renew(struct worker *worker)
{
	struct buf why = BUF_INIT(1024);
	bool renewed;
	enum err err = store_renew(&worker->store, &renewed, &why);

	if (err != ERR_OK)
		log_error("api.database", LOG_TEXT("error", buf_view(&why)));
	buf_fini(&why);
	return err == ERR_OK ? ERR_OK : ERR_BUSY;
}

void
worker_fini(struct worker *worker)
{
	store_close(&worker->store);
}
