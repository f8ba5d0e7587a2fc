/* utf8.h: is it UTF-8 (RFC 3629)? Whole, or piece by piece with the state kept between. */
#ifndef WIRE_UTF8_H
#define WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between characters; also the state to begin with. */
#define UTF8_ACCEPT 0u
/* No continuation can make it valid. */
#define UTF8_REJECT 1u

/* Takes len more bytes from the state; returns the state after them (UTF8_REJECT sticks). Any
 * other value than the two means: within a character. */
uint32_t utf8_step(uint32_t state, const void *data, size_t len);

bool utf8_valid(const void *data, size_t len);

#endif
