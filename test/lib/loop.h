/* loop.h -- a real loop for tests: run it until a condition holds, and never for ever. */
#ifndef TEST_LOOP_H
#define TEST_LOOP_H

#include "os/os.h"
#include "os/os_uv.h"

/* A condition, looked at after every turn of the loop. */
typedef int (*loop_condition)(void *context);

struct loop {
    struct os *os;
    struct os_timer *deadline;
    loop_condition condition;
    void *context;
    int is_late;
};

/* Make a loop. It must not move in memory until loop_close(). */
void loop_open(struct loop *loop);

/* Run until the condition holds. The test fails if that takes more than 20 seconds. */
void loop_run_until(struct loop *loop, loop_condition condition, void *context);

/* Condition: *(int *)context is not 0. */
int loop_is_set(void *context);

/* Free it. Whatever was made of it must be closed by now. */
void loop_close(struct loop *loop);

#endif /* TEST_LOOP_H */
