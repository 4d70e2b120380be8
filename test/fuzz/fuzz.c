/* fuzz.c -- what fuzz targets have in common. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"

static struct fuzz_target *first;
static FILE *nowhere;
static FILE *kept_stdout;
static FILE *kept_stderr;

void fuzz_register(struct fuzz_target *target)
{
    target->next = first;
    first = target;
}

const struct fuzz_target *fuzz_targets(void)
{
    return first;
}

/* Past stdio, whose standard error may lead nowhere. */
void assert_failed(const char *expression, const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: assertion failed: %s\n", file, line, expression);
    abort();
}

static void drop_line(__attribute__((unused)) const char *line,
                      __attribute__((unused)) uint32_t size)
{
}

void fuzz_run(const struct fuzz_target *target, struct bytes input)
{
    log_configure(&(struct log_options){.level = LOG_DEBUG, .sink = drop_line});
    target->run(input);
}

void fuzz_hush(void)
{
    static char buffer[1 << 16];
    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "w");
        assert(nowhere != NULL);
        (void)setvbuf(nowhere, buffer, _IOFBF, sizeof buffer);
    }
    assert(stdout != nowhere);
    kept_stdout = stdout;
    kept_stderr = stderr;
    stdout = nowhere;
    stderr = nowhere;
}

void fuzz_unhush(void)
{
    assert(stdout == nowhere);
    stdout = kept_stdout;
    stderr = kept_stderr;
}

/* -- Taking an input apart ---------------------------------------------------------------- */

struct bytes feed_take(struct feed *feed, size_t size)
{
    const size_t some = size < feed->rest.size ? size : feed->rest.size;
    const struct bytes taken = bytes_of(feed->rest.data, some);
    feed->rest = bytes_of(feed->rest.data + some, feed->rest.size - some);
    return taken;
}

/* The next number of so many bytes, little-endian. */
static uint64_t take_number(struct feed *feed, size_t size)
{
    const struct bytes taken = feed_take(feed, size);
    uint8_t whole[8] = {0};
    if (taken.size > 0) {
        memcpy(whole, taken.data, taken.size);
    }
    return get_u64(whole);
}

uint8_t feed_u8(struct feed *feed)
{
    return (uint8_t)take_number(feed, 1);
}

uint16_t feed_u16(struct feed *feed)
{
    return (uint16_t)take_number(feed, 2);
}

uint32_t feed_u32(struct feed *feed)
{
    return (uint32_t)take_number(feed, 4);
}

uint64_t feed_u64(struct feed *feed)
{
    return take_number(feed, 8);
}

uint64_t feed_number(struct feed *feed)
{
    enum {
        SMALL = 200,
        TOP = 216,   /* Up to here: from the largest number down. */
        BOUND = 248, /* Up to here: around a power of two. */
    };
    const uint8_t first_byte = feed_u8(feed);
    if (first_byte < SMALL) {
        return first_byte;
    }
    if (first_byte < TOP) {
        return UINT64_MAX - (first_byte - SMALL);
    }
    if (first_byte < BOUND) {
        return (UINT64_C(1) << (first_byte - TOP + 31)) - 2 + feed_u8(feed) % 4;
    }
    return feed_u64(feed);
}

struct bytes feed_run(struct feed *feed)
{
    return feed_take(feed, feed_u16(feed));
}
