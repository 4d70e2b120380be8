/* crowd_test.c -- many connections in one turn, as after a leader's death. */
#include <stdio.h>
#include <string.h>

#include "loop.h"
#include "test.h"

enum {
    CROWD = 700,
    STUCK = 200,         /* Of them. */
    LINGERING_MAX = 128, /* os_uv_stream.c */
    WORDS = 400000
};

struct crowd {
    struct loop loop;
    struct os_stream *callers[CROWD];
    struct os_stream *accepted[CROWD];
    int count;
    int accepted_count;
    int opened_count;
    int closed_count;
    uint64_t received;
};

static void on_open(void *context)
{
    ((struct crowd *)context)->opened_count++;
}

static void on_data(void *context, struct bytes data)
{
    ((struct crowd *)context)->received += data.size;
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
    return crowd->accepted_count == crowd->count && crowd->opened_count == crowd->count;
}

/* So many connect in one turn, and all are accepted. Returns the listener. */
static struct os_listener *gather(struct crowd *crowd, int count)
{
    struct os_listener *listener;
    char address[32];
    memset(crowd, 0, sizeof *crowd);
    crowd->count = count;
    loop_open(&crowd->loop);
    struct os *os = crowd->loop.os;
    assert_int_equal(os_listen(os, "127.0.0.1:0", on_accept, crowd, &listener), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", os_listener_port(os, listener));
    for (int i = 0; i < count; i++) {
        assert_int_equal(os_connect(os, address, &events, crowd, &crowd->callers[i]), 0);
    }
    loop_run_until(&crowd->loop, is_complete, crowd);
    return listener;
}

TEST(listener, takes_a_crowd_that_comes_in_one_turn)
{
    static struct crowd crowd;
    struct os_listener *listener = gather(&crowd, CROWD);
    assert_int_equal(crowd.closed_count, 0);
    for (int i = 0; i < CROWD; i++) {
        os_stream_close(crowd.callers[i]);
        os_stream_close(crowd.accepted[i]);
    }
    os_listener_close(crowd.loop.os, listener);
    loop_close(&crowd.loop);
}

static int are_closed(void *context)
{
    const struct crowd *crowd = context;
    return crowd->closed_count == crowd->count;
}

/* Whose last words nobody reads holds its memory and its descriptor: so of such streams there are
 * few, and the oldest goes for the newest. */
TEST(stream, lingers_only_beside_few_others)
{
    static struct crowd crowd;
    static uint8_t words[WORDS];
    const struct bytes part = bytes_of(words, sizeof words);
    struct os_listener *listener = gather(&crowd, STUCK);
    for (int i = 0; i < STUCK; i++) {
        os_stream_pause(crowd.accepted[i], 1);
        assert_int_equal(os_stream_write(crowd.callers[i], &part, 1), 0);
        assert_true(os_stream_queued(crowd.callers[i]) > 0);
        os_stream_close(crowd.callers[i]);
    }
    for (int i = 0; i < STUCK; i++) {
        os_stream_pause(crowd.accepted[i], 0); /* It reads what the other still sent, or hears. */
    }
    loop_run_until(&crowd.loop, are_closed, &crowd);
    assert_in_range(crowd.received, LINGERING_MAX * WORDS, STUCK * WORDS - STUCK);
    for (int i = 0; i < STUCK; i++) {
        os_stream_close(crowd.accepted[i]);
    }
    os_listener_close(crowd.loop.os, listener);
    loop_close(&crowd.loop);
}
