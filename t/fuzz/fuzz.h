/*
 * fuzz.h: what every entry point here shares. Each is libFuzzer's LLVMFuzzerTestOneInput; built by
 * `configure --enable-fuzzing` it is a fuzzer, otherwise replay.c runs its corpus in `make check`.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* A promise of the module under test; a broken one is a crash that the fuzzer keeps. */
#define MUST(condition) ((condition) ? (void)0 : abort())

__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
