/* address.h: a client's address as a key to count by. Pure. */
#ifndef WS_ADDRESS_H
#define WS_ADDRESS_H

#include "base/text.h"
#include "model/id.h"

#include <stdbool.h>

/*
 * Reads an IPv4 or IPv6 address, as nginx writes it. Of IPv6 the first 64 bits count: whoever has one
 * address has that whole network. An IPv4 address within IPv6 (::ffff:1.2.3.4) is that IPv4 address.
 * False: it is neither.
 */
bool address_read(struct text text, struct id *out);

#endif
