/*
 * service.h: telling the supervisor how we stand: sd_notify(3) where libsystemd is built in, else
 * nothing. The only module that sees libsystemd.
 */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H

void service_ready(void);
void service_reloading(void);
void service_stopping(void);

#endif
