/* retry.c: a delay that grows, and that chance spreads. */
#include "relay/retry.h"

#define DOUBLINGS 10 /* by then it is beyond RETRY_MAX */

double
retry_delay(unsigned failures, double chance)
{
	double seconds = RETRY_MIN * (double)(1u << (failures < DOUBLINGS ? failures : DOUBLINGS));

	if (seconds > RETRY_MAX)
		seconds = RETRY_MAX;
	return seconds * (0.5 + 0.5 * chance);
}
