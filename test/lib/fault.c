/* fault.c -- the n-th operation fails: one counter for every kind of thing that can go wrong. */
#include "fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

static unsigned armed;      /* Kinds that count. */
static uint64_t countdown;  /* Until one is struck; 0: none will be. */
static int strikes_on;      /* Every one after it, too. */
static int has_struck;      /* One was. */
static int is_under_test;   /* The code that runs is that which is to fail. */
static int64_t block_count; /* Held by our own code. */
static char story[160];     /* What is being tried, for whoever reads of an abort. */

void fault_arm(unsigned kinds, uint64_t n, int is_for_ever)
{
    armed = kinds;
    countdown = n;
    strikes_on = is_for_ever;
    has_struck = 0;
}

void fault_disarm(void)
{
    countdown = 0;
}

int fault_has_struck(void)
{
    return has_struck;
}

void fault_struck_elsewhere(void)
{
    has_struck = 1;
}

int fault_strikes(enum fault_kind kind)
{
    if (!is_under_test || countdown == 0 || (armed & kind) == 0) {
        return 0;
    }
    if (countdown > 1) {
        countdown--;
        return 0;
    }
    countdown = (uint64_t)strikes_on;
    has_struck = 1;
    return 1;
}

int fault_enter(int now_under_test)
{
    const int was = is_under_test;
    is_under_test = now_under_test;
    return was;
}

void fault_leave(int was_under_test)
{
    is_under_test = was_under_test;
}

/* -- What our archives call in place of malloc() and its like ------------------------------ */

void *fault_malloc(size_t size);
void *fault_calloc(size_t count, size_t size);
void *fault_realloc(void *memory, size_t size);
void *fault_aligned_alloc(size_t alignment, size_t size);
char *fault_strdup(const char *text);
char *fault_strndup(const char *text, size_t size);
void fault_free(void *memory);

static void *counted(void *memory)
{
    block_count += memory != NULL;
    return memory;
}

void *fault_malloc(size_t size)
{
    return fault_strikes(FAULT_ALLOCATION) ? NULL : counted(malloc(size));
}

void *fault_calloc(size_t count, size_t size)
{
    return fault_strikes(FAULT_ALLOCATION) ? NULL : counted(calloc(count, size));
}

void *fault_realloc(void *memory, size_t size)
{
    if (fault_strikes(FAULT_ALLOCATION)) {
        return NULL;
    }
    block_count += memory == NULL;
    return realloc(memory, size);
}

void *fault_aligned_alloc(size_t alignment, size_t size)
{
    return fault_strikes(FAULT_ALLOCATION) ? NULL : counted(aligned_alloc(alignment, size));
}

char *fault_strdup(const char *text)
{
    return fault_strikes(FAULT_ALLOCATION) ? NULL : counted(strdup(text));
}

char *fault_strndup(const char *text, size_t size)
{
    return fault_strikes(FAULT_ALLOCATION) ? NULL : counted(strndup(text, size));
}

void fault_free(void *memory)
{
    block_count -= memory != NULL;
    free(memory);
}

int64_t fault_blocks(void)
{
    return block_count;
}

void fault_blocks_given(int64_t count)
{
    block_count += count;
}

/* -- Loops ------------------------------------------------------------------------------- */

/* A loop ended in the middle of a life: say at which n. */
static void tell(void)
{
    const ssize_t written = write(STDERR_FILENO, story, strlen(story));
    (void)written;
    story[0] = '\0';
}

/* By an assertion of the code under test. */
static void on_abort(int signal_number)
{
    tell();
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

/* By one of the test's own, which jumps to the next test, if there is one. */
static void listen_for_ends(void)
{
    static int is_listening;
    tell();
    if (!is_listening) {
        is_listening = 1;
        (void)signal(SIGABRT, on_abort);
        (void)atexit(tell);
    }
}

void fault_run(const struct fault_loop *loop)
{
    const int takes_all = loop->is_short || getenv("FAULT_LONG") != NULL;
    uint64_t n = 0;
    uint64_t lives = 0;
    int was_struck = 1;
    listen_for_ends();
    while (was_struck) {
        n += takes_all || n < 8 ? 1 : n / 8;
        lives++;
        snprintf(story, sizeof story, "    %s: failing number %llu%s\n", loop->name,
                 (unsigned long long)n, loop->is_for_ever ? " and all after it" : "");
        const int64_t before = block_count;
        fault_arm(loop->kinds, n, loop->is_for_ever);
        loop->play(loop->context);
        fault_disarm();
        was_struck = has_struck;
        if (block_count != before) {
            fail_msg("%s%lld blocks of memory are lost", story, (long long)(block_count - before));
        }
    }
    story[0] = '\0';
    print_message("    %s%s: %llu lives, up to number %llu\n", loop->name,
                  loop->is_for_ever ? ", for ever" : "", (unsigned long long)lives,
                  (unsigned long long)n);
    if (n <= loop->places_min) {
        fail_msg("%s: only %llu places", loop->name, (unsigned long long)n - 1);
    }
}

void fault_run_both(const struct fault_loop *loop)
{
    struct fault_loop one = *loop;
    one.is_for_ever = 0;
    fault_run(&one);
    one.is_for_ever = 1;
    fault_run(&one);
}
