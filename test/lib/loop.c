/* loop.c -- a real loop for tests: run it until a condition holds, and never for ever. */
#include "loop.h"

#include "test.h"

enum {
    DEADLINE_US = 20000000
};

static void on_turn_end(void *context)
{
    struct loop *loop = context;
    if (loop->condition != NULL && loop->condition(loop->context)) {
        os_uv_stop(loop->os);
    }
}

static void on_deadline(void *context)
{
    struct loop *loop = context;
    loop->is_late = 1;
    os_uv_stop(loop->os);
}

void loop_open(struct loop *loop)
{
    *loop = (struct loop){.os = os_uv_new()};
    assert_non_null(loop->os);
    loop->deadline = os_timer_new(loop->os, on_deadline, loop);
    assert_non_null(loop->deadline);
    assert_int_equal(os_turn_end(loop->os, on_turn_end, loop), 0);
}

void loop_run_until(struct loop *loop, loop_condition condition, void *context)
{
    loop->condition = condition;
    loop->context = context;
    os_timer_start(loop->os, loop->deadline, DEADLINE_US);
    os_uv_run(loop->os);
    os_timer_stop(loop->os, loop->deadline);
    loop->condition = NULL;
    assert_false(loop->is_late);
}

int loop_is_set(void *context)
{
    return *(const int *)context != 0;
}

void loop_close(struct loop *loop)
{
    os_timer_free(loop->os, loop->deadline);
    os_uv_free(loop->os);
}
