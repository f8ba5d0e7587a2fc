/* login.c: e-mail and password for a token, where no backend issues tokens. */
#include "api/handlers.h"
#include "api/resource.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/account.h"
#include "token/password.h"

#include <errno.h>
#include <time.h>

#define LOGINS_MAX 2     /* at a time: each costs a core and some 16 MB */
#define LOGIN_WAIT_S 2   /* for one of these places */
#define LOGIN_SHARE 4    /* this part of the threads may wait for one: reports need the others */
#define REFUSAL_STEP_MS 250 /* refusals come at whole steps after the request */

/* Waits for a place. False: there was none in time, or too many wait. */
static bool
enter(struct app *app)
{
	unsigned waiting_max = app->threads / LOGIN_SHARE;
	struct timespec until;
	bool entered;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOGIN_WAIT_S;
	pthread_mutex_lock(&app->logins);
	app->logins_waiting++;
	while (app->logins_now >= LOGINS_MAX && app->logins_waiting <= waiting_max)
		if (pthread_cond_timedwait(&app->login_left, &app->logins, &until) == ETIMEDOUT)
			break;
	app->logins_waiting--;
	entered = app->logins_now < LOGINS_MAX;
	app->logins_now += entered;
	pthread_mutex_unlock(&app->logins);
	return entered;
}

static void
leave(struct app *app)
{
	pthread_mutex_lock(&app->logins);
	app->logins_now--;
	pthread_cond_signal(&app->login_left);
	pthread_mutex_unlock(&app->logins);
}

/* Hashes take as long as their method and cost; the time of a refusal must not tell which one it was,
 * and so whether there is such a user. */
static void
wait_for_step(int64_t began_ms)
{
	int64_t ms = REFUSAL_STEP_MS - (clock_mono_ms() - began_ms) % REFUSAL_STEP_MS;

	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void
refuse(struct call *call, int64_t began_ms)
{
	wait_for_step(began_ms);
	app_count(call->worker->app, COUNT_LOGIN_FAILURES);
	log_warn("api.login-failed", LOG_INT("request", call->number));
	reply_header(call->reply, "WWW-Authenticate", "Bearer");
	reply_problem(call->reply, 401, "Incorrect email or password");
}

static void
grant(struct call *call, const struct id *user, enum role role)
{
	const struct settings *settings = call->settings;
	int64_t now = clock_wall(), seconds = settings->config->token_lifetime_ms / 1000;
	struct token_claims claims = { .user = *user, .expires = now + seconds, .role = role };
	struct buf token = BUF_INIT(TOKEN_MAX);
	char id[ID_TEXT_LEN + 1];
	enum err err = token_mint(settings->keys, &settings->rules, &claims, now, &token);

	if (err == ERR_ABSENT) {
		log_error("api.login-keyless", LOG_INT("request", call->number));
		reply_problem(call->reply, 503, "No HS256 key to sign tokens with");
	} else if (err != ERR_OK) {
		reply_failure(call->reply, ERR_NOMEM);
	} else {
		id_format(user, id);
		log_info("api.login", LOG_INT("request", call->number), LOG_STR("user", id));
		app_count(call->worker->app, COUNT_LOGINS);
		reply_json(call->reply, 200);
		buf_puts(&call->reply->body, "{\"access_token\":");
		json_write_string(&call->reply->body, buf_view(&token));
		buf_printf(&call->reply->body, ",\"token_type\":\"bearer\",\"expires_in\":%lld}",
		    (long long)seconds);
	}
	buf_fini(&token);
}

/* Every refusal gives the same answer, after a time that tells nothing. */
static void
check(struct call *call, struct text email, struct text password)
{
	int64_t began_ms = clock_mono_ms();
	struct user user = { .active = false };
	enum err err = store_user_find_email(call->worker->store, email, &user);
	bool fits;

	if (err != ERR_OK && err != ERR_ABSENT) {
		route_read_failure(call, err);
		return;
	}
	if (!enter(call->worker->app)) {
		reply_header(call->reply, "Retry-After", "2");
		reply_problem(call->reply, 503, "Too many logins at once; try again");
		return;
	}
	fits = password_fits(password, user.password);
	leave(call->worker->app);
	if (fits && user.active)
		grant(call, &user.id, user.role);
	else
		refuse(call, began_ms);
}

static void
require_string(const struct json *json, const char *member, struct faults *faults)
{
	if (json_kind(json, member) == JSON_ABSENT)
		faults_add(faults, text_of(member), "is required");
	else if (json_kind(json, member) != JSON_STRING)
		faults_add(faults, text_of(member), "must be a string");
}

/* A resource_fn. */
static void
login(struct call *call, const struct json *json, void *arg)
{
	struct faults faults = { .count = 0 };

	(void)arg;
	require_string(json, "email", &faults);
	require_string(json, "password", &faults);
	if (faults.count > 0)
		reply_faults(call->reply, &faults);
	else
		check(call, json_string(json, "email"), json_string(json, "password"));
}

void
login_post(struct call *call)
{
	resource_with_json(call, login, NULL);
}
