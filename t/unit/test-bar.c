/* test-bar.c: the watcher's line fits, whatever the width, and keeps what matters most. */
#include "ctl/bar.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000

static struct progress
sample(void)
{
	return (struct progress){
		.status = text_of("transcribing"),
		.outcome = OUTCOME_RUNNING,
		.progress = 45,
		.message = text_of("Transcribing audio..."),
		.eta = 30,
		.updated_at = NOW,
	};
}

static void
check(const struct progress *p, int64_t now, size_t columns, const char *expected)
{
	struct buf out = BUF_INIT(4096);

	bar_write(&out, p, now, columns);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static void
test_whole(void **state)
{
	struct progress p = sample();

	(void)state;
	check(&p, NOW, 80,
	    "[##########--------------]  45 %  transcribing  Transcribing audio...  ~30 s");
	p.progress = 100;
	p.eta = PROGRESS_ETA_NONE;
	check(&p, NOW, 80,
	    "[########################] 100 %  transcribing  Transcribing audio...");
	p.progress = 0;
	check(&p, NOW, 60, "[----------]   0 %  transcribing  Transcribing audio...");
}

static void
test_estimate(void **state)
{
	struct progress p = sample();

	(void)state;
	p.message = text_of("");
	check(&p, NOW + 12, 60, "[####------]  45 %  transcribing    ~18 s");
	/* A clock that was set back does not lengthen it; one that has passed is not shown. */
	check(&p, NOW - 50, 60, "[####------]  45 %  transcribing    ~30 s");
	check(&p, NOW + 30, 60, "[####------]  45 %  transcribing  ");
	p.outcome = OUTCOME_FAILED;
	check(&p, NOW, 60, "[####------]  45 %  transcribing  ");
}

static void
test_cut(void **state)
{
	struct progress p = sample();

	(void)state;
	/* First the message, then the estimate, then the rest. */
	check(&p, NOW, 45, "[####------]  45 %  transcribing  Tran  ~30 s");
	check(&p, NOW, 41, "[####------]  45 %  transcribing    ~30 s");
	check(&p, NOW, 30, "[####------]  45 %  transcribi");
	check(&p, NOW, 5, "[####");
	check(&p, NOW, 0, "");
}

static void
test_hostile_text(void **state)
{
	struct progress p = sample();

	(void)state;
	p.status = text_of("\033c");
	p.message = text_of("a\nb");
	p.eta = PROGRESS_ETA_NONE;
	check(&p, NOW, 60, "[####------]  45 %  \\x1bc  a\\nb");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_hostile_text),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
