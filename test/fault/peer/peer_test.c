/* peer_test.c -- three members talk, and the n-th operation of the one in the middle fails.
 *
 * It is called by the first and calls the last, so it does all that src/peer does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fault.h"
#include "os_fault.h"
#include "os_pair.h"
#include "peer/peer.h"
#include "test.h"

enum {
    MEMBERS = 3,
    MIDDLE = 1,
    BODY_MAX = 100000,
    SECOND = 1000000
};

struct rig;

struct member {
    struct rig *rig;
    uint32_t number;
    struct peers *peers; /* NULL: they could not be made. */
    uint32_t connected[MEMBERS - 1];
    uint32_t disconnected[MEMBERS - 1];
    uint64_t received[MEMBERS - 1]; /* Frames. */
};

struct rig {
    struct os_pair *pair;
    struct os_fault *fault; /* What the member in the middle stands on. */
    struct member members[MEMBERS];
};

/* -- What the members are told -------------------------------------------------------------- */

static const char *on_hello(__attribute__((unused)) void *context, uint32_t peer,
                            const struct peer_hello *hello)
{
    assert_true(peer < MEMBERS - 1);
    assert_string_equal(hello->name, "member");
    return NULL;
}

static void on_connected(void *context, uint32_t peer)
{
    struct member *member = context;
    assert_int_equal(member->connected[peer], member->disconnected[peer]);
    assert_true(peers_is_connected(member->peers, peer));
    member->connected[peer]++;
}

static void on_disconnected(void *context, uint32_t peer)
{
    struct member *member = context;
    member->disconnected[peer]++;
    assert_int_equal(member->connected[peer], member->disconnected[peer]);
    assert_false(peers_is_connected(member->peers, peer));
}

/* The bytes of every body: those of any size are a beginning of them. */
static const uint8_t *body(void)
{
    static uint8_t bytes[BODY_MAX];
    for (size_t i = 0; i < BODY_MAX && bytes[1] == 0; i++) {
        const size_t at = BODY_MAX - 1 - i;
        bytes[at] = (uint8_t)(at * 13 + (at >> 8));
    }
    return bytes;
}

static const char *on_frame(void *context, uint32_t peer, uint16_t type, uint32_t group,
                            struct bytes arrived)
{
    struct member *member = context;
    assert_int_equal(type, PEER_FRAME_TYPE_MIN + 1);
    assert_int_equal(group, arrived.size);
    assert_true(arrived.size <= BODY_MAX && memcmp(arrived.data, body(), arrived.size) == 0);
    member->received[peer]++;
    return NULL;
}

static const struct peers_events EVENTS = {on_hello, on_connected, on_disconnected, on_frame};

/* -- The members ---------------------------------------------------------------------------- */

static const char *const ADDRESSES[MEMBERS] = {"memory:1", "memory:2", "memory:3"};

static int enter(const struct member *member)
{
    return fault_enter(member->number == MIDDLE);
}

static void start(struct member *member)
{
    struct rig *rig = member->rig;
    struct peers_options options;
    const char *others[MEMBERS - 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (i != member->number) {
            others[count++] = ADDRESSES[i];
        }
    }
    peers_options_init(&options);
    options.name = "member";
    options.address = options.listen = ADDRESSES[member->number];
    options.peers = others;
    options.peer_count = count;
    options.cluster_key = 7;
    options.member = 100 + member->number;
    options.incarnation = 1;
    rig->pair->port_next = (int)member->number + 1;
    struct os *os = member->number == MIDDLE ? os_fault_os(rig->fault) : &rig->pair->os;
    const int was = enter(member);
    const int error = peers_new(os, &options, &EVENTS, member, &member->peers);
    fault_leave(was);
    if (error != 0) {
        assert_true(fault_has_struck() && (error == -ENOMEM || error == -EADDRINUSE));
        member->peers = NULL;
    }
}

static void stop(struct member *member)
{
    const int was = enter(member);
    if (member->peers != NULL) {
        peers_free(member->peers);
    }
    fault_leave(was);
    member->peers = NULL;
    memset(member->connected, 0, sizeof member->connected);
    memset(member->disconnected, 0, sizeof member->disconnected);
}

/* Everybody's output leaves, and arrives. */
static void exchange(struct rig *rig)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct member *member = &rig->members[i];
        const int was = enter(member);
        if (member->peers != NULL) {
            peers_flush(member->peers);
        }
        fault_leave(was);
    }
    os_pair_settle(rig->pair);
}

/* Everybody sends everybody a body of so many bytes. Returns how many frames were taken. */
static uint32_t send_all(struct rig *rig, size_t size)
{
    uint32_t taken = 0;
    const struct bytes parts[2] = {bytes_of(body(), size / 3),
                                   bytes_of(body() + size / 3, size - size / 3)};
    const struct peer_frame frame = {.type = PEER_FRAME_TYPE_MIN + 1, .group = (uint32_t)size};
    for (uint32_t i = 0; i < MEMBERS * (MEMBERS - 1); i++) {
        const struct member *member = &rig->members[i / (MEMBERS - 1)];
        if (member->peers == NULL) {
            continue;
        }
        const int was = enter(member);
        const int error = peers_send(member->peers, i % (MEMBERS - 1), frame, parts, 2);
        fault_leave(was);
        assert_true(error == 0 || error == -ENOTCONN ||
                    (error == -ENOMEM && member->number == MIDDLE && fault_has_struck()));
        taken += error == 0;
    }
    return taken;
}

/* -- Somebody else -------------------------------------------------------------------------- */

static void ignore_event(__attribute__((unused)) void *context)
{
}

static void ignore_data(__attribute__((unused)) void *context,
                        __attribute__((unused)) struct bytes data)
{
}

static void note_close(void *context, __attribute__((unused)) int error)
{
    *(int *)context = 1;
}

/* Whoever talks nonsense to the member in the middle, or nothing at all, is sent away. */
static void annoy(struct rig *rig, const char *what)
{
    static const struct os_stream_events events = {ignore_event, ignore_data, ignore_event,
                                                   note_close};
    const struct bytes part = bytes_of_text(what);
    struct os_stream *stream;
    int is_over = 0;
    assert_int_equal(os_connect(&rig->pair->os, ADDRESSES[MIDDLE], &events, &is_over, &stream), 0);
    os_pair_settle(rig->pair);
    assert_int_equal(os_stream_write(stream, &part, 1), 0);
    os_pair_settle(rig->pair);
    os_pair_advance(rig->pair, 4 * SECOND);
    assert_true(is_over);
    os_stream_close(stream);
    os_pair_settle(rig->pair);
}

/* -- Lives ---------------------------------------------------------------------------------- */

static void ignore_line(__attribute__((unused)) const char *line,
                        __attribute__((unused)) uint32_t size)
{
}

static uint64_t count_received(const struct rig *rig)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < MEMBERS * (MEMBERS - 1); i++) {
        count += rig->members[i / (MEMBERS - 1)].received[i % (MEMBERS - 1)];
    }
    return count;
}

static void pass(struct rig *rig, uint64_t us)
{
    os_pair_advance(rig->pair, us);
    exchange(rig);
}

static void talk(struct rig *rig)
{
    static const size_t sizes[] = {0, 10, 50000, 200, BODY_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        send_all(rig, sizes[i]);
        exchange(rig);
    }
}

/* Nothing fails any more: everybody finds everybody, and all that is sent arrives. */
static void recover(struct rig *rig)
{
    if (rig->members[MIDDLE].peers == NULL) {
        start(&rig->members[MIDDLE]);
    }
    pass(rig, 10 * SECOND);
    pass(rig, 10 * SECOND);
    for (size_t size = 10; size < BODY_MAX; size *= 9) {
        const uint64_t before = count_received(rig);
        assert_int_equal(send_all(rig, size), MEMBERS * (MEMBERS - 1));
        exchange(rig);
        assert_int_equal(count_received(rig) - before, MEMBERS * (MEMBERS - 1));
    }
}

static void live(__attribute__((unused)) void *context)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    log_configure(&(struct log_options){.level = LOG_DEBUG, .sink = ignore_line});
    rig->pair = os_pair_new();
    rig->pair->piece_max = 30000;
    rig->fault = os_fault_new(&rig->pair->os);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        rig->members[i] = (struct member){.rig = rig, .number = i};
        start(&rig->members[i]);
    }
    pass(rig, SECOND / 2);
    talk(rig);
    if (rig->members[MIDDLE].peers != NULL) {
        annoy(rig, "nonsense, and long enough to be the header of a frame");
        annoy(rig, "");
        const int was = fault_enter(1);
        peers_set_identity(rig->members[MIDDLE].peers, 55, 66, 77);
        fault_leave(was);
    }
    pass(rig, 2 * SECOND);
    talk(rig);
    stop(&rig->members[2]);
    pass(rig, 2 * SECOND);
    start(&rig->members[2]);
    pass(rig, 2 * SECOND);
    talk(rig);
    fault_disarm();
    recover(rig);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        stop(&rig->members[i]);
    }
    os_pair_settle(rig->pair);
    os_pair_free(rig->pair);
    os_fault_free(rig->fault);
    free(rig);
}

static void fail_each(const char *name, unsigned kinds, uint64_t places_min)
{
    fault_run_both(&(struct fault_loop){
        .name = name, .kinds = kinds, .is_short = 1, .places_min = places_min, .play = live});
}

TEST(peers, survive_every_allocation_that_fails)
{
    fail_each("allocation", FAULT_ALLOCATION, 50);
}

TEST(peers, survive_every_send_that_fails)
{
    fail_each("send", FAULT_SEND, 15);
}

TEST(peers, survive_every_connection_that_breaks)
{
    fail_each("receive", FAULT_RECEIVE, 20);
}

TEST(peers, survive_every_connection_that_cannot_be_made)
{
    fail_each("listen, accept, connect", FAULT_LISTEN | FAULT_ACCEPT | FAULT_CONNECT, 6);
}
