/* ticket.c: a one-time ticket for a token, for those who want no token in any URL. */
#include "store/ticket.h"

#include "api/auth.h"
#include "api/handlers.h"
#include "base/clock.h"

#include <string.h>

struct order {
	struct ticket_row row;
	enum err err; /* ERR_OK, or ERR_LIMIT */
	char text[TICKET_TEXT_LEN + 1];
};

/* A commit_fn. */
static enum err
commit_ticket(void *arg, struct store *store)
{
	struct order *order = arg;
	enum err err = store_ticket_new(store, &order->row, clock_wall(), order->text);

	if (reply_is_failure(err))
		return err;
	order->err = err;
	return ERR_OK;
}

static void
answer(struct call *call, const struct order *order)
{
	if (order->err != ERR_OK) {
		reply_header(call->reply, "Retry-After", "30");
		reply_problem(call->reply, 429, "This user has too many unused tickets");
		return;
	}
	reply_json(call->reply, 200);
	buf_printf(&call->reply->body, "{\"ticket\":\"%s\",\"expires_in\":%d}", order->text,
	    TICKET_SECONDS);
}

void
ticket_post(struct call *call)
{
	const struct principal *principal = &call->principal;
	struct order order;
	enum err err;

	if (!auth_identify(call))
		return;
	if (principal->is_key) {
		reply_problem(call->reply, 403, "A ticket stands for a user's token, not for a key");
		return;
	}
	order = (struct order){ .row = {
		.user = principal->user,
		.role = principal->claims.role,
		.key = principal->claims.key,
		.token_expires = principal->claims.expires,
	} };
	err = auth_commit(call, commit_ticket, &order, 1);
	if (err == ERR_OK)
		answer(call, &order);
	else
		reply_failure(call->reply, err);
	explicit_bzero(order.text, sizeof(order.text));
}
