/* crowd_test.c -- many connections in one turn, as after a leader's death. */
#include <stdio.h>
#include <string.h>

#include "loop.h"
#include "test.h"

enum {
    CROWD = 700
};

struct crowd {
    struct loop loop;
    struct os_stream *callers[CROWD];
    struct os_stream *accepted[CROWD];
    int accepted_count;
    int opened_count;
    int closed_count;
};

static void on_open(void *context)
{
    ((struct crowd *)context)->opened_count++;
}

static void on_data(__attribute__((unused)) void *context,
                    __attribute__((unused)) struct bytes data)
{
}

static void on_drain(__attribute__((unused)) void *context)
{
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    ((struct crowd *)context)->closed_count++;
}

static const struct os_stream_events events = {on_open, on_data, on_drain, on_close};

static void on_accept(void *context, struct os_stream *stream)
{
    struct crowd *crowd = context;
    crowd->accepted[crowd->accepted_count++] = stream;
    os_stream_attach(stream, &events, crowd);
}

static int is_complete(void *context)
{
    const struct crowd *crowd = context;
    return crowd->accepted_count == CROWD && crowd->opened_count == CROWD;
}

TEST(listener, takes_a_crowd_that_comes_in_one_turn)
{
    static struct crowd crowd;
    struct os_listener *listener;
    char address[32];
    memset(&crowd, 0, sizeof crowd);
    loop_open(&crowd.loop);
    struct os *os = crowd.loop.os;
    assert_int_equal(os_listen(os, "127.0.0.1:0", on_accept, &crowd, &listener), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", os_listener_port(os, listener));
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(os_connect(os, address, &events, &crowd, &crowd.callers[i]), 0);
    }
    loop_run_until(&crowd.loop, is_complete, &crowd);
    assert_int_equal(crowd.closed_count, 0);
    for (int i = 0; i < CROWD; i++) {
        os_stream_close(crowd.callers[i]);
        os_stream_close(crowd.accepted[i]);
    }
    os_listener_close(os, listener);
    loop_close(&crowd.loop);
}
