/* attr.h: the few compiler attributes and macros that every module uses. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

/* The number of elements of an array (never of a pointer). */
#define countof(a) (sizeof(a) / sizeof((a)[0]))

#endif
