/* test-password.c: known hashes of several methods, new ones, and what must never fit. */
#include "token/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* bcrypt by crypt_blowfish's and python3-bcrypt's vectors, sha512crypt by its specification's,
 * yescrypt by libxcrypt's and by an earlier run. */
static const struct {
	const char *password, *hash;
} known[] = {
	{ "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" },
	{ "U*U*U", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a" },
	{ "\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq" },
	{ "Hello world!",
	    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEd"
	    "FCoEOfaS35inz1" },
	{ "pleaseletmein",
	    "$y$jD5.7$LdJMENpBABJJ3hIHjB1Bi.$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6" },
	{ "milepost", "$y$j9T$MF0DAyURVw.UgJfdt3Pv.0$DchbBUkQIcYeErVyfPRnCWEen.E6fASwpZAByNJ2mNA" },
};

static void
test_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(known); i++) {
		struct text hash = text_of(known[i].hash);

		assert_true(password_is_hash(hash));
		if (!password_fits(text_of(known[i].password), hash))
			fail_msg("%s should fit", known[i].hash);
		assert_false(password_fits(text_of("U*u"), hash));
		assert_false(password_fits(text_of(""), hash));
	}
}

static void
test_new(void **state)
{
	struct buf one = BUF_INIT(512), two = BUF_INIT(512);
	struct text password = text_of("correct horse");

	(void)state;
	assert_int_equal(password_hash(password, &one), ERR_OK);
	assert_int_equal(password_hash(password, &two), ERR_OK);
	assert_memory_equal(one.data, "$y$", 3);
	assert_true(password_is_hash(buf_view(&one)));
	assert_false(text_equal(buf_view(&one), buf_view(&two))); /* salted */
	assert_true(password_fits(password, buf_view(&one)));
	assert_true(password_fits(password, buf_view(&two)));
	assert_false(password_fits(text_of("correct horsf"), buf_view(&one)));
	buf_fini(&one);
	buf_fini(&two);
}

static void
test_limits(void **state)
{
	struct buf hash = BUF_INIT(512), none = BUF_INIT(8);
	char longest[PASSWORD_MAX + 1];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(password_hash(text_of("seven77"), &hash), ERR_INPUT);
	assert_int_equal(password_hash((struct text){ longest, PASSWORD_MAX + 1 }, &hash),
	    ERR_INPUT);
	assert_int_equal(password_hash((struct text){ "with\0null", 9 }, &hash), ERR_INPUT);
	assert_int_equal(password_hash((struct text){ NULL, 0 }, &hash), ERR_INPUT);
	assert_int_equal(hash.len, 0);
	assert_int_equal(password_hash((struct text){ longest, PASSWORD_MAX }, &hash), ERR_OK);
	assert_true(password_fits((struct text){ longest, PASSWORD_MAX }, buf_view(&hash)));
	assert_false(password_fits((struct text){ longest, PASSWORD_MAX + 1 }, buf_view(&hash)));
	assert_false(password_fits((struct text){ longest, PASSWORD_MAX - 1 }, buf_view(&hash)));
	assert_int_equal(password_hash(text_of("eight888"), &none), ERR_LIMIT); /* the buffer's */
	buf_fini(&none);
	/* A NUL does not cut what is compared. */
	buf_reset(&hash);
	assert_int_equal(password_hash(text_of("password"), &hash), ERR_OK);
	assert_false(password_fits((struct text){ "password\0x", 10 }, buf_view(&hash)));
	buf_fini(&hash);
}

static void
test_no_hash(void **state)
{
	(void)state;
	/* The password of the hash that stands in for users who do not exist. */
	assert_false(password_fits(text_of("milepost"), (struct text){ NULL, 0 }));
	assert_false(password_fits(text_of("milepost"), text_of("")));
	assert_false(password_fits(text_of("milepost"), text_of("$y$j9T$")));
}

/* Cut, plain, of a method that no longer counts, or libcrypt's sign of failure. */
static void
test_not_hashes(void **state)
{
	static const char *const bad[] = {
		"", "*0", "*1", "*", "x", "plaintext-password", "$y$",
		"$y$j9T$MF0DAyURVw.UgJfdt3Pv.0",
		"$2b$05$XXXXXXXXXXXXXXXXXXXXXO",
		"$2c$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
		"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObGRdescudvJCs",
		"rl.3StKT.4T8M",                      /* DES: "rasmuslerdorf" */
		"$1$rasmusle$rISCgZzpwk3UhDidwXvin0", /* MD5 */
		/* Whoever logged in with these would occupy a core for seconds to days. */
		"$2b$16$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
		"$2b$31$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
		("$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEd"
		 "FCoEOfaS35inz1"),
		"$y$jET$MF0DAyURVw.UgJfdt3Pv.0$DchbBUkQIcYeErVyfPRnCWEen.E6fASwpZAByNJ2mNA",
		"$y$jzT$MF0DAyURVw.UgJfdt3Pv.0$DchbBUkQIcYeErVyfPRnCWEen.E6fASwpZAByNJ2mNA",
		"$y$j9T.../$MF0DAyURVw.UgJfdt3Pv.0$DchbBUkQIcYeErVyfPRnCWEen.E6fASwpZAByNJ2mNA",
		"$7$CU..../....JJ9gdoSi7j4saJyOJ4d6J0$DchbBUkQIcYeErVyfPRnCWEen.E6fASwpZAByNJ2mNA",
		"pbkdf2_sha256$260000$salt$RdescudvJCsgt3ub+b4dWRWJTmaaJObGRdescudvJCs",
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		if (password_is_hash(text_of(bad[i])))
			fail_msg("\"%s\" passes for a hash", bad[i]);
		assert_false(password_fits(text_of("rasmuslerdorf"), text_of(bad[i])));
		assert_false(password_fits(text_of(bad[i]), text_of(bad[i])));
	}
	assert_false(password_is_hash((struct text){ NULL, 0 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_no_hash),
		cmocka_unit_test(test_not_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
