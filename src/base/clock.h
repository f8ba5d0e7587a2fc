/* clock.h: the two clocks. Pure code takes the time as a parameter instead of asking here. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Seconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall(void);

/* The same clock in microseconds. */
int64_t clock_wall_us(void);

/* Milliseconds and microseconds that only grow, of no known beginning. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

#endif
