/* users.c: the backend keeps users in step: PUT, GET and DELETE /milepost/v1/users/{id}. */
#include "api/handlers.h"
#include "api/resource.h"
#include "base/log.h"
#include "store/account.h"
#include "token/password.h"

#include <string.h>

#define NO_USER "User not found"
#define HASH_MAX 512
#define EMAIL_MAX 254 /* RFC 5321 section 4.5.3.1.3, less the brackets */

/* What a PUT asks for. Members that were left out keep what the user has. */
struct change {
	struct id id;
	bool has_role;
	enum role role;
	bool has_active;
	bool active;
	bool has_email; /* an absent text then removes it */
	struct text email;
	bool has_password;
	struct text password; /* a hash */
	struct buf hash;      /* where a new one is */
	/* The outcome. */
	bool created;
	bool role_missing;
	struct buf body; /* the user as JSON */
};

static bool
is_email(struct text t)
{
	const char *at = t.len >= 3 && t.len <= EMAIL_MAX ? memchr(t.s, '@', t.len) : NULL;

	if (at == NULL || at == t.s || at == t.s + t.len - 1)
		return false;
	if (memchr(at + 1, '@', t.len - (size_t)(at - t.s) - 1) != NULL)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.s[i] <= ' ' || t.s[i] == 0x7f)
			return false;
	return true;
}

static void
read_role(const struct json *json, struct change *change, struct faults *faults)
{
	enum json_kind kind = json_kind(json, "role");

	if (kind == JSON_ABSENT)
		return;
	change->has_role = true;
	if (kind != JSON_STRING || role_parse(json_string(json, "role"), &change->role) != ERR_OK)
		faults_add(faults, text_of("role"), "must be patient, therapist or admin");
}

static void
read_active(const struct json *json, struct change *change, struct faults *faults)
{
	enum json_kind kind = json_kind(json, "is_active");

	if (kind == JSON_ABSENT)
		return;
	change->has_active = true;
	if (kind == JSON_BOOL)
		change->active = json_boolean(json, "is_active");
	else
		faults_add(faults, text_of("is_active"), "must be true or false");
}

static void
read_email(const struct json *json, struct change *change, struct faults *faults)
{
	enum json_kind kind = json_kind(json, "email");

	if (kind == JSON_ABSENT)
		return;
	change->has_email = true;
	if (kind == JSON_STRING && is_email(json_string(json, "email")))
		change->email = json_string(json, "email");
	else if (kind != JSON_NULL)
		faults_add(faults, text_of("email"), "must be an e-mail address or null");
}

/* Hashing is slow, so it is done here, outside any transaction. */
static enum err
read_password(const struct json *json, struct change *change, struct faults *faults)
{
	enum json_kind kind = json_kind(json, "password");
	enum err err = ERR_INPUT;

	if (kind == JSON_ABSENT || kind == JSON_NULL)
		return ERR_OK;
	change->has_password = true;
	if (kind == JSON_STRING)
		err = password_hash(json_string(json, "password"), &change->hash);
	if (err == ERR_INPUT)
		faults_add(faults, text_of("password"), "must be a string of %d to %d bytes",
		    PASSWORD_MIN, PASSWORD_MAX);
	change->password = buf_view(&change->hash);
	return err == ERR_INPUT ? ERR_OK : err;
}

static void
read_hash(const struct json *json, struct change *change, struct faults *faults)
{
	enum json_kind kind = json_kind(json, "password_hash");

	if (kind == JSON_ABSENT || kind == JSON_NULL)
		return;
	if (json_kind(json, "password") != JSON_ABSENT && json_kind(json, "password") != JSON_NULL)
		faults_add(faults, text_of("password_hash"), "excludes password");
	change->has_password = true;
	if (kind == JSON_STRING && json_string(json, "password_hash").len < HASH_MAX &&
	    password_is_hash(json_string(json, "password_hash")))
		change->password = json_string(json, "password_hash");
	else
		faults_add(faults, text_of("password_hash"),
		    "must be a hash that crypt(5) knows: yescrypt or bcrypt");
}

static void
on_member(void *arg, struct text name)
{
	static const char *const known[] = { "role", "is_active", "email", "password",
		"password_hash" };

	for (size_t i = 0; i < countof(known); i++)
		if (text_is(name, known[i]))
			return;
	faults_add(arg, name, "is not a known member");
}

/* What is wrong with the input is in faults; an error is ours. */
static enum err
read_change(const struct json *json, struct change *change, struct faults *faults)
{
	enum err err = ERR_OK;

	json_members(json, on_member, faults);
	read_role(json, change, faults);
	read_active(json, change, faults);
	read_email(json, change, faults);
	read_hash(json, change, faults);
	if (faults->count == 0)
		err = read_password(json, change, faults);
	return err;
}

static void
write_user(struct buf *out, const struct user *user)
{
	char id[ID_TEXT_LEN + 1];

	id_format(&user->id, id);
	buf_printf(out, "{\"id\":\"%s\",\"role\":\"%s\",\"is_active\":%s,\"email\":", id,
	    role_name(user->role), user->active ? "true" : "false");
	json_write_string(out, user->email);
	buf_printf(out, ",\"has_password\":%s}", user->password.s != NULL ? "true" : "false");
}

/* A commit_fn: merges the change with what there is. */
static enum err
commit_change(void *arg, struct store *store)
{
	struct change *change = arg;
	struct user user = { .id = change->id, .active = true };
	enum err err = store_user_find(store, &change->id, &user);

	if (err != ERR_OK && err != ERR_ABSENT)
		return err;
	change->role_missing = err == ERR_ABSENT && !change->has_role;
	if (change->role_missing)
		return ERR_INPUT;
	if (change->has_role)
		user.role = change->role;
	if (change->has_active)
		user.active = change->active;
	if (change->has_email)
		user.email = change->email;
	if (change->has_password)
		user.password = change->password;
	buf_reset(&change->body);
	write_user(&change->body, &user);
	return store_user_put(store, &user, &change->created);
}

static void
answer_change(struct call *call, const struct change *change, enum err err)
{
	struct faults faults = { .count = 0 };

	if (err == ERR_OK) {
		reply_json(call->reply, change->created ? 201 : 200);
		buf_text(&call->reply->body, buf_view(&change->body));
	} else if (err == ERR_CONFLICT) {
		reply_problem(call->reply, 409, "The e-mail address is another user's");
	} else if (err == ERR_INPUT) {
		faults_add(&faults, text_of("role"), "is required for a new user");
		reply_faults(call->reply, &faults);
	} else {
		reply_failure(call->reply, err);
	}
}

/* A resource_fn. */
static void
put(struct call *call, const struct json *json, void *arg)
{
	struct change *change = arg;
	struct faults faults = { .count = 0 };
	enum err err;

	err = read_change(json, change, &faults);
	if (err != ERR_OK)
		reply_failure(call->reply, err);
	else if (faults.count > 0)
		reply_faults(call->reply, &faults);
	else
		answer_change(call, change, auth_commit(call, commit_change, change, 1));
}

void
users_put(struct call *call)
{
	struct change change = { .hash = BUF_INIT(HASH_MAX), .body = BUF_INIT(1024) };

	if (resource_open(call, NO_USER, &change.id))
		resource_with_json(call, put, &change);
	buf_fini(&change.hash);
	buf_fini(&change.body);
}

static enum err
write_found(struct store *store, const struct id *id, struct buf *out)
{
	struct user user;
	enum err err = store_user_find(store, id, &user);

	if (err == ERR_OK)
		write_user(out, &user);
	return err;
}

void
users_get(struct call *call)
{
	resource_get(call, NO_USER, write_found);
}

void
users_delete(struct call *call)
{
	resource_delete(call, NO_USER, store_user_delete);
}
