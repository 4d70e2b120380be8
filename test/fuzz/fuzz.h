/* fuzz.h -- fuzz targets: functions that take any bytes whatever and must survive them.
 *
 * Each file test/fuzz/<name>_fuzz.c holds one, FUZZ(name) { ... }. Linked with libfuzzer.c it is a
 * program that looks for inputs that break it (`make fuzz`); linked with replay.c it is a test
 * that tries the inputs of test/fuzz/corpus/<name> once more, with any compiler.
 *
 * Broken is: an assertion that fails, ours or the code's; a finding of a sanitizer; memory that
 * is lost; more time or memory than libFuzzer allows. A target must do the same each time it is
 * given the same bytes. */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct fuzz_target {
    const char *name;
    void (*run)(struct bytes input);
    struct fuzz_target *next;
};

void fuzz_register(struct fuzz_target *target);

/* The targets linked into this program, in no order that matters. */
const struct fuzz_target *fuzz_targets(void);

#define FUZZ(name)                                                                                 \
    static void fuzz_##name(struct bytes input);                                                   \
    static struct fuzz_target target_of_##name = {#name, fuzz_##name, NULL};                       \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        fuzz_register(&target_of_##name);                                                          \
    }                                                                                              \
    static void fuzz_##name(struct bytes input)

/* Run a target, with logs going nowhere. */
void fuzz_run(const struct fuzz_target *target, struct bytes input);

/* Let what the code prints go nowhere, until it is let out again. Reports of sanitizers and of
 * assertions are shown all the same. */
void fuzz_hush(void);
void fuzz_unhush(void);

/* -- Taking an input apart ---------------------------------------------------------------- */

/* What is left of an input. Past its end everything is zero, so that a shorter input is always an
 * input too, and cutting one off is a change that keeps what came before. */
struct feed {
    struct bytes rest;
};

uint8_t feed_u8(struct feed *feed);
uint16_t feed_u16(struct feed *feed);
uint32_t feed_u32(struct feed *feed);
uint64_t feed_u64(struct feed *feed);

/* A number in one byte where it is small, as most numbers of the protocol are; the rest are the
 * ones at the edges, and any eight bytes. */
uint64_t feed_number(struct feed *feed);

/* The next `size` bytes, fewer where the input ends. */
struct bytes feed_take(struct feed *feed, size_t size);

/* The next bytes, as many as a u16 before them says, fewer where the input ends. */
struct bytes feed_run(struct feed *feed);

static inline int feed_is_empty(const struct feed *feed)
{
    return feed->rest.size == 0;
}

#endif /* TEST_FUZZ_FUZZ_H */
