/* grpc_test.c -- calls of every kind, and the n-th operation of the server or client fails. */
#include "fault.h"
#include "rig.h"
#include "test.h"

enum {
    SECOND = 1000000
};

/* Whatever fails: each call that was made ends once and in time; an answer that is good is whole;
 * and when nothing fails any more, everything works, and nothing is held for what is over. */
static void live(void *context)
{
    struct rig *rig = rig_new(*(const enum rig_side *)context);
    if (rig_is_whole(rig)) {
        rig_connect(rig);
        (void)rig_call(rig, "/t.S/Echo", 10);
        (void)rig_call(rig, "/t.S/Echo", 250000);
        (void)rig_call(rig, "/t.S/Fail", 10);
        rig_connect(rig); /* If it was lost. */
        (void)rig_call(rig, "/t.S/None", 10);
        (void)rig_call(rig, "/t.S/Echo", 0);
        (void)rig_chat(rig, 100);
        (void)rig_chat(rig, 50000);
        rig_connect(rig);
        (void)rig_call(rig, "/t.S/Hold", 10);
        (void)rig_http(rig, "GET /pieces HTTP/1.1\r\nHost: t\r\n\r\n");
        (void)rig_http(rig,
                       "POST /echo?x=y HTTP/1.1\r\nHost: t\r\nX: y\r\n"
                       "Content-Length: 5\r\n\r\n12345");
        (void)rig_http(rig, "nonsense\r\n\r\n");
        rig->nonsense++;
        rig_pass(rig, 6 * SECOND); /* The held call is late. */
        rig_connect(rig);
        (void)rig_call(rig, "/t.S/Echo", 10);
        rig_pass(rig, 6 * SECOND);
    }
    fault_disarm();
    rig_pass(rig, 60 * SECOND);
    rig_recover(rig);
    rig_free(rig);
}

static void fail_each(const char *name, unsigned kinds, enum rig_side side, uint64_t places_min)
{
    fault_run_both(&(struct fault_loop){.name = name,
                                        .kinds = kinds,
                                        .is_short = 1,
                                        .places_min = places_min,
                                        .play = live,
                                        .context = &side});
}

TEST(grpc, server_survives_every_allocation_that_fails)
{
    fail_each("allocation", FAULT_ALLOCATION, RIG_SERVER, 100);
}

TEST(grpc, server_survives_every_send_that_fails)
{
    fail_each("send", FAULT_SEND, RIG_SERVER, 10);
}

TEST(grpc, server_survives_every_connection_that_breaks)
{
    fail_each("receive", FAULT_RECEIVE, RIG_SERVER, 100);
}

TEST(grpc, server_survives_every_connection_that_it_cannot_take)
{
    fail_each("listen, accept", FAULT_LISTEN | FAULT_ACCEPT, RIG_SERVER, 4);
}

TEST(grpc, client_survives_every_allocation_that_fails)
{
    fail_each("allocation", FAULT_ALLOCATION, RIG_CLIENT, 100);
}

TEST(grpc, client_survives_every_send_that_fails)
{
    fail_each("send", FAULT_SEND, RIG_CLIENT, 10);
}

TEST(grpc, client_survives_every_connection_that_breaks)
{
    fail_each("receive", FAULT_RECEIVE, RIG_CLIENT, 100);
}

TEST(grpc, client_survives_every_connection_that_cannot_be_made)
{
    fail_each("connect", FAULT_CONNECT, RIG_CLIENT, 1);
}
