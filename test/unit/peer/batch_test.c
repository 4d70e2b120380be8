/* batch_test.c -- how bytes are cut: one write for a turn, frames from pieces of any size. */
#include <string.h>

#include "base/log.h"
#include "os_pair.h"
#include "peer/peer.h"
#include "test.h"

/* Two members in one simulated world; `b` is the one that is told. */
struct world {
    struct os_pair *pair;
    struct peers *a;
    struct peers *b;
    uint64_t frames;
    uint64_t bytes;
    int wrong;
};

static const char *on_hello(__attribute__((unused)) void *context,
                            __attribute__((unused)) uint32_t peer,
                            __attribute__((unused)) const struct peer_hello *hello)
{
    return NULL;
}

static void on_change(__attribute__((unused)) void *context, __attribute__((unused)) uint32_t peer)
{
}

/* The n-th body has n bytes, each the lowest byte of n. */
static const char *on_frame(void *context, __attribute__((unused)) uint32_t peer,
                            __attribute__((unused)) uint16_t type,
                            __attribute__((unused)) uint32_t group, struct bytes body)
{
    struct world *world = context;
    world->wrong += body.size != world->frames;
    for (size_t i = 0; i < body.size; i++) {
        world->wrong += body.data[i] != (uint8_t)world->frames;
    }
    world->frames++;
    world->bytes += body.size;
    return NULL;
}

static const struct peers_events events = {on_hello, on_change, on_change, on_frame};

static struct peers *new_member(struct world *world, const char *address, const char *other)
{
    struct peers *peers;
    struct peers_options options;
    peers_options_init(&options);
    options.name = address;
    options.address = address;
    options.listen = address;
    options.peers = &other;
    options.peer_count = 1;
    assert_int_equal(peers_new(&world->pair->os, &options, &events, world, &peers), 0);
    return peers;
}

static void open_world(struct world *world, size_t piece_max)
{
    *world = (struct world){.pair = os_pair_new()};
    assert_non_null(world->pair);
    world->pair->piece_max = piece_max;
    world->pair->port_next = 1001; /* Listeners get the ports that follow, in order. */
    log_configure(&(struct log_options){.level = LOG_ERROR});
    world->a = new_member(world, "127.0.0.1:1001", "127.0.0.1:1002");
    world->b = new_member(world, "127.0.0.1:1002", "127.0.0.1:1001");
    os_pair_advance(world->pair, 100000);
    os_pair_settle(world->pair);
    assert_true(peers_is_connected(world->a, 0));
    assert_true(peers_is_connected(world->b, 0));
}

static void close_world(struct world *world)
{
    assert_int_equal(world->wrong, 0);
    peers_free(world->a);
    peers_free(world->b);
    os_pair_free(world->pair);
    log_configure(&(struct log_options){.level = LOG_INFO});
}

static void send_next(struct world *world, size_t number)
{
    uint8_t body[4096];
    const struct bytes part = bytes_of(body, number);
    memset(body, (int)number, number);
    assert_int_equal(
        peers_send(world->a, 0, (struct peer_frame){.type = PEER_FRAME_TYPE_MIN}, &part, 1), 0);
}

TEST(peers, write_once_for_all_frames_of_a_turn)
{
    struct world world;
    open_world(&world, 0);
    const size_t writes = world.pair->writes;
    for (size_t i = 0; i < 1000; i++) {
        send_next(&world, i);
    }
    assert_int_equal(world.pair->writes, writes);
    peers_flush(world.a);
    assert_int_equal(world.pair->writes, writes + 1);
    peers_flush(world.a);
    peers_flush(world.b);
    assert_int_equal(world.pair->writes, writes + 1);
    os_pair_settle(world.pair);
    assert_int_equal(world.frames, 1000);
    close_world(&world);
}

TEST(peers, write_a_big_body_at_once_behind_what_waits)
{
    static uint8_t body[100000];
    struct world world;
    const struct bytes parts[] = {bytes_of(body, 10), bytes_of(body, sizeof body - 10)};
    open_world(&world, 0);
    const size_t writes = world.pair->writes;
    assert_int_equal(
        peers_send(world.a, 0, (struct peer_frame){.type = PEER_FRAME_TYPE_MIN}, NULL, 0), 0);
    assert_int_equal(world.pair->writes, writes);
    assert_int_equal(
        peers_send(world.a, 0, (struct peer_frame){.type = PEER_FRAME_TYPE_MIN}, parts, 2), 0);
    assert_int_equal(world.pair->writes, writes + 1);
    peers_flush(world.a);
    assert_int_equal(world.pair->writes, writes + 1);
    os_pair_settle(world.pair);
    assert_int_equal(world.frames, 2);
    assert_int_equal(world.bytes, sizeof body);
    world.wrong = 0; /* The big one is not what on_frame() expects. */
    close_world(&world);
}

/* The hello comes in such pieces, too. */
TEST(peers, put_frames_together_from_pieces_of_any_size)
{
    static const size_t pieces[] = {1, 2, 3, 15, 16, 17, 18, 31, 33, 100, 1000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct world world;
        open_world(&world, pieces[i]);
        for (size_t number = 0; number < 300; number++) {
            send_next(&world, number);
        }
        peers_flush(world.a);
        os_pair_settle(world.pair);
        assert_int_equal(world.frames, 300);
        close_world(&world);
    }
}

/* -- Silence ------------------------------------------------------------------------------- */

static uint64_t connections_of(const struct peers *peers)
{
    struct peer_statistics statistics;
    peers_statistics(peers, 0, &statistics);
    return statistics.connected_count;
}

static void speak(struct world *world, struct peers *peers)
{
    uint8_t body[256];
    const struct bytes part = bytes_of(body, world->frames);
    memset(body, (int)world->frames, sizeof body);
    assert_int_equal(
        peers_send(peers, 0, (struct peer_frame){.type = PEER_FRAME_TYPE_MIN}, &part, 1), 0);
    peers_flush(peers);
    os_pair_settle(world->pair);
}

static void wait(struct world *world, uint64_t duration_us)
{
    os_pair_advance(world->pair, duration_us);
    os_pair_settle(world->pair);
}

/* A router that drops everything tells nobody; and who believes in a connection makes no other. */
TEST(peers, end_a_connection_on_which_nothing_comes)
{
    struct world world;
    open_world(&world, 0);
    for (uint32_t i = 0; i < 20; i++) {
        speak(&world, world.a);
        speak(&world, world.b);
        wait(&world, 1000000);
    }
    assert_int_equal(connections_of(world.a), 1);
    assert_int_equal(connections_of(world.b), 1);
    for (uint32_t i = 0; i < 10; i++) {
        wait(&world, 1000000);
    }
    assert_true(connections_of(world.a) > 1);
    assert_true(connections_of(world.b) > 1);
    close_world(&world);
}

/* After that we have not had the time to read what came. */
TEST(peers, keep_a_connection_when_they_have_stood_still_themselves)
{
    struct world world;
    open_world(&world, 0);
    for (uint32_t i = 0; i < 3; i++) {
        world.pair->now_us += 60000000;
        os_pair_settle(world.pair);
        speak(&world, world.a);
        speak(&world, world.b);
    }
    assert_int_equal(connections_of(world.a), 1);
    close_world(&world);
}
