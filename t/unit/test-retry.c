/* test-retry.c: it grows, is spread by chance, and ends at its limit. */
#include "relay/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_grows(void **state)
{
	(void)state;
	assert_true(retry_delay(0, 0) == RETRY_MIN / 2);
	assert_true(retry_delay(0, 1) == RETRY_MIN);
	for (unsigned i = 0; i < 40; i++) {
		assert_true(retry_delay(i, 0.2) <= retry_delay(i + 1, 0.2));
		assert_true(retry_delay(i, 0) == retry_delay(i, 1) / 2);
		assert_true(retry_delay(i, 0.3) > retry_delay(i, 0) && retry_delay(i, 0.3) < retry_delay(i, 1));
		assert_true(retry_delay(i, 1) <= RETRY_MAX);
	}
	assert_true(retry_delay(3, 1) == 8 * RETRY_MIN);
	assert_true(retry_delay(UINT32_MAX, 1) == RETRY_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
