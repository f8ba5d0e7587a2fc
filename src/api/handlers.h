/* handlers.h: the handlers of route.c's table, by the file that they are in. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/route.h"

/* progress.c */
void progress_report(struct call *call);
void progress_read(struct call *call);
void progress_history(struct call *call);

/* batch.c */
void batch_report(struct call *call);

/* users.c */
void users_put(struct call *call);
void users_get(struct call *call);
void users_delete(struct call *call);

/* sessions.c */
void sessions_put(struct call *call);
void sessions_get(struct call *call);
void sessions_delete(struct call *call);

/* list.c */
void list_sessions(struct call *call);

/* ticket.c */
void ticket_post(struct call *call);

/* login.c */
void login_post(struct call *call);

/* health.c */
void health_healthz(struct call *call);
void health_readyz(struct call *call);
void health_metrics(struct call *call);

#endif
