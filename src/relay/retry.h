/* retry.h: when to try again to reach Redis. Pure. */
#ifndef RELAY_RETRY_H
#define RELAY_RETRY_H

/* Seconds to wait after so many failures in a row before this one: twice as many each time, up to
 * RETRY_MAX, and anywhere in the upper half of that by chance (0 to 1), so that not all hosts come back at once. */
#define RETRY_MIN 0.1
#define RETRY_MAX 15.0
double retry_delay(unsigned failures, double chance);

#endif
