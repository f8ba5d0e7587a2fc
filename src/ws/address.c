/* address.c: reading addresses. */
#include "ws/address.h"

#include <arpa/inet.h>
#include <string.h>

#define NETWORK_BYTES 8 /* of an IPv6 address */

bool
address_read(struct text text, struct id *out)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr six;
	struct in_addr four;

	if (text.s == NULL || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.s, text.len);
	copy[text.len] = '\0';
	memset(out, 0, sizeof(*out));
	if (strlen(copy) != text.len)
		return false;
	if (inet_pton(AF_INET, copy, &four) == 1) {
		/* Where no network of IPv6 can be. */
		memcpy(out->bytes + sizeof(out->bytes) - sizeof(four), &four, sizeof(four));
		return true;
	}
	if (inet_pton(AF_INET6, copy, &six) != 1)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six))
		memcpy(out->bytes + sizeof(out->bytes) - sizeof(four), six.s6_addr + 12,
		    sizeof(four));
	else
		memcpy(out->bytes, six.s6_addr, NETWORK_BYTES);
	return true;
}
