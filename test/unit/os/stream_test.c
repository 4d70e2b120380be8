/* stream_test.c -- connections on the loopback interface. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "test.h"

/* When an end closes its stream by itself: in the callback of this name. */
enum moment {
    NEVER = 0,
    AT_OPEN,
    AT_DATA,
    AT_DRAIN,
    AT_CLOSE,
    AT_ACCEPT
};

/* One side of a connection. The n-th byte that is sent is always pattern(n). */
struct end {
    struct os_stream *stream; /* NULL before it is there and after it was closed. */
    enum moment closes;
    uint64_t sent;
    uint64_t received;
    int is_opened;
    int is_ended; /* on_close was called ... */
    int error;    /* ... with this. */
    int drained;  /* Calls of on_drain. */
    int in_call;  /* Inside os_stream_write() or os_connect(). */
    int wrong;    /* Callbacks that must not have come, bytes that were not the next. */
};

struct pair {
    struct loop loop;
    struct os_listener *listener;
    char address[64];
    struct end client;
    struct end server;
};

static uint8_t pattern(uint64_t n)
{
    return (uint8_t)(n * 31 + (n >> 8) * 7);
}

static void shut(struct end *end)
{
    os_stream_close(end->stream);
    end->stream = NULL;
}

/* Every callback begins with this: is it allowed, and is it the one to close in? */
static void enter(struct end *end, enum moment moment)
{
    end->wrong += end->in_call != 0 || end->stream == NULL || end->is_ended;
    if (end->closes == moment) {
        shut(end);
    }
}

static void on_open(void *context)
{
    struct end *end = context;
    end->is_opened++;
    enter(end, AT_OPEN);
}

static void on_data(void *context, struct bytes data)
{
    struct end *end = context;
    end->wrong += data.size == 0;
    for (size_t i = 0; i < data.size; i++) {
        end->wrong += data.data[i] != pattern(end->received++);
    }
    enter(end, AT_DATA);
}

static void on_drain(void *context)
{
    struct end *end = context;
    end->drained++;
    end->wrong += os_stream_queued(end->stream) != 0;
    enter(end, AT_DRAIN);
}

static void on_close(void *context, int error)
{
    struct end *end = context;
    enter(end, AT_CLOSE);
    end->is_ended++;
    end->error = error;
}

static const struct os_stream_events events = {on_open, on_data, on_drain, on_close};

static void on_accept(void *context, struct os_stream *stream)
{
    struct pair *pair = context;
    if (pair->server.stream != NULL) {
        os_stream_close(stream); /* One is enough. */
        return;
    }
    pair->server.stream = stream;
    pair->server.is_opened++;
    if (pair->server.closes == AT_ACCEPT) {
        shut(&pair->server);
    } else {
        os_stream_attach(stream, &events, &pair->server);
    }
}

static void listen_on(struct pair *pair, const char *host)
{
    char where[64];
    memset(pair, 0, sizeof *pair);
    loop_open(&pair->loop);
    snprintf(where, sizeof where, "%s:0", host);
    assert_int_equal(os_listen(pair->loop.os, where, on_accept, pair, &pair->listener), 0);
    snprintf(pair->address, sizeof pair->address, "%s:%d", host,
             os_listener_port(pair->loop.os, pair->listener));
}

static int dial(struct pair *pair, const char *address)
{
    pair->client.in_call = 1;
    const int error =
        os_connect(pair->loop.os, address, &events, &pair->client, &pair->client.stream);
    pair->client.in_call = 0;
    return error;
}

static int are_open(void *context)
{
    const struct pair *pair = context;
    return pair->client.is_opened && pair->server.is_opened;
}

static int is_ended(void *context)
{
    return ((const struct end *)context)->is_ended;
}

static void open_pair(struct pair *pair)
{
    listen_on(pair, "127.0.0.1");
    assert_int_equal(dial(pair, pair->address), 0);
    loop_run_until(&pair->loop, are_open, pair);
}

static void close_pair(struct pair *pair)
{
    assert_int_equal(pair->client.wrong, 0);
    assert_int_equal(pair->server.wrong, 0);
    if (pair->client.stream != NULL) {
        shut(&pair->client);
    }
    if (pair->server.stream != NULL) {
        shut(&pair->server);
    }
    os_listener_close(pair->loop.os, pair->listener);
    loop_close(&pair->loop);
}

/* Send the next bytes of the pattern, cut into parts at odd places. */
static int send_bytes(struct end *end, size_t size)
{
    struct bytes parts[100];
    size_t count = 0;
    size_t start = 0;
    uint8_t *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        data[i] = pattern(end->sent + i);
    }
    while (start < size && count < 99) {
        const size_t some = 1 + (count * 977) % 4096;
        parts[count] = bytes_of(data + start, some < size - start ? some : size - start);
        start += parts[count++].size;
    }
    parts[count++] = bytes_of(data + start, size - start);
    end->in_call = 1;
    const int error = os_stream_write(end->stream, parts, count);
    end->in_call = 0;
    end->sent += size;
    free(data);
    return error;
}

struct expected {
    const struct end *end;
    uint64_t received;
};

static int has_received(void *context)
{
    const struct expected *expected = context;
    return expected->end->received >= expected->received;
}

static void run_until_received(struct pair *pair, struct end *end, uint64_t count)
{
    struct expected expected = {end, count};
    loop_run_until(&pair->loop, has_received, &expected);
    assert_true(end->received == count);
}

/* -- Good order ------------------------------------------------------------------------- */

TEST(stream, carries_bytes_both_ways_and_ends_in_good_order)
{
    struct pair pair;
    open_pair(&pair);
    assert_int_equal(send_bytes(&pair.client, 1000), 0);
    assert_int_equal(send_bytes(&pair.server, 300000), 0);
    run_until_received(&pair, &pair.server, 1000);
    run_until_received(&pair, &pair.client, 300000);
    assert_string_equal(os_stream_peer_name(pair.client.stream), pair.address);
    assert_memory_equal(os_stream_peer_name(pair.server.stream), "127.0.0.1:", 10);
    shut(&pair.client);
    loop_run_until(&pair.loop, is_ended, &pair.server);
    assert_int_equal(pair.server.error, 0);
    close_pair(&pair);
}

TEST(stream, takes_nothing_and_parts_of_nothing)
{
    struct pair pair;
    const struct bytes nothing[] = {{NULL, 0}, {NULL, 0}};
    open_pair(&pair);
    assert_int_equal(os_stream_write(pair.client.stream, nothing, 0), 0);
    assert_int_equal(os_stream_write(pair.client.stream, nothing, 2), 0);
    assert_int_equal(os_stream_queued(pair.client.stream), 0);
    assert_int_equal(send_bytes(&pair.client, 1), 0);
    run_until_received(&pair, &pair.server, 1);
    close_pair(&pair);
}

TEST(stream, sends_what_was_written_before_it_was_open)
{
    struct pair pair;
    listen_on(&pair, "127.0.0.1");
    assert_int_equal(dial(&pair, pair.address), 0);
    assert_int_equal(send_bytes(&pair.client, 5000), 0);
    assert_int_equal(os_stream_queued(pair.client.stream), 5000);
    loop_run_until(&pair.loop, are_open, &pair);
    assert_int_equal(send_bytes(&pair.client, 5000), 0);
    run_until_received(&pair, &pair.server, 10000);
    close_pair(&pair);
}

/* -- Slow readers ----------------------------------------------------------------------- */

static int has_drained(void *context)
{
    return ((const struct end *)context)->drained > 0;
}

TEST(stream, queues_what_a_slow_reader_leaves_and_says_when_it_has_left)
{
    enum {
        PIECE = 1 << 20,
        PIECES = 32
    };
    struct pair pair;
    open_pair(&pair);
    os_stream_pause(pair.server.stream, 1);
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(send_bytes(&pair.client, PIECE), 0);
    }
    const size_t queued = os_stream_queued(pair.client.stream);
    assert_true(queued > PIECE); /* No kernel buffer holds 32 MiB. */
    assert_true(queued < (size_t)PIECE * PIECES);
    assert_int_equal(pair.client.drained, 0);

    os_stream_pause(pair.server.stream, 0);
    run_until_received(&pair, &pair.server, (uint64_t)PIECE * PIECES);
    loop_run_until(&pair.loop, has_drained, &pair.client);
    assert_int_equal(pair.client.drained, 1);
    assert_int_equal(os_stream_queued(pair.client.stream), 0);
    close_pair(&pair);
}

TEST(stream, tells_a_paused_reader_nothing)
{
    struct pair pair;
    open_pair(&pair);
    os_stream_pause(pair.server.stream, 1);
    assert_int_equal(send_bytes(&pair.client, 100), 0);
    assert_int_equal(send_bytes(&pair.server, 100), 0);
    run_until_received(&pair, &pair.client, 100); /* By now the others had time to come. */
    assert_int_equal(pair.server.received, 0);
    os_stream_pause(pair.server.stream, 0);
    run_until_received(&pair, &pair.server, 100);
    close_pair(&pair);
}

TEST(stream, closed_with_bytes_in_its_queue_sends_them_first)
{
    enum {
        SIZE = 32 << 20
    };
    struct pair pair;
    open_pair(&pair);
    os_stream_pause(pair.server.stream, 1);
    assert_int_equal(send_bytes(&pair.server, 1000), 0); /* Unread when it is closed. */
    assert_int_equal(send_bytes(&pair.client, SIZE), 0);
    assert_true(os_stream_queued(pair.client.stream) > 0);
    shut(&pair.client);
    os_stream_pause(pair.server.stream, 0);
    loop_run_until(&pair.loop, is_ended, &pair.server);
    assert_int_equal(pair.server.error, 0);
    assert_true(pair.server.received == SIZE);
    close_pair(&pair);
}

TEST(stream, that_still_sends_does_not_outlive_its_loop)
{
    struct pair pair;
    open_pair(&pair);
    os_stream_pause(pair.server.stream, 1);
    assert_int_equal(send_bytes(&pair.client, 32 << 20), 0);
    shut(&pair.client);
    close_pair(&pair); /* The leak checker is the judge. */
}

/* -- Closing at any moment -------------------------------------------------------------- */

static int is_gone(void *context)
{
    const struct pair *pair = context;
    return pair->client.is_opened && pair->client.stream == NULL;
}

static int server_has_closed(void *context)
{
    const struct pair *pair = context;
    return pair->server.is_opened && pair->server.stream == NULL;
}

TEST(stream, may_be_closed_in_on_open)
{
    struct pair pair;
    listen_on(&pair, "127.0.0.1");
    pair.client.closes = AT_OPEN;
    assert_int_equal(dial(&pair, pair.address), 0);
    loop_run_until(&pair.loop, is_gone, &pair);
    loop_run_until(&pair.loop, is_ended, &pair.server);
    close_pair(&pair);
}

TEST(stream, may_be_closed_when_it_is_accepted)
{
    struct pair pair;
    listen_on(&pair, "127.0.0.1");
    pair.server.closes = AT_ACCEPT;
    assert_int_equal(dial(&pair, pair.address), 0);
    loop_run_until(&pair.loop, is_ended, &pair.client);
    close_pair(&pair);
}

TEST(stream, may_be_closed_in_on_data_with_more_to_come)
{
    struct pair pair;
    open_pair(&pair);
    pair.server.closes = AT_DATA;
    assert_int_equal(send_bytes(&pair.client, 4 << 20), 0);
    loop_run_until(&pair.loop, server_has_closed, &pair);
    loop_run_until(&pair.loop, is_ended, &pair.client);
    close_pair(&pair);
}

TEST(stream, may_be_closed_in_on_drain)
{
    struct pair pair;
    open_pair(&pair);
    pair.client.closes = AT_DRAIN;
    assert_int_equal(send_bytes(&pair.client, 32 << 20), 0);
    loop_run_until(&pair.loop, is_ended, &pair.server);
    assert_int_equal(pair.server.error, 0);
    assert_true(pair.server.received == 32 << 20);
    assert_null(pair.client.stream);
    close_pair(&pair);
}

TEST(stream, may_be_closed_in_on_close)
{
    struct pair pair;
    open_pair(&pair);
    pair.server.closes = AT_CLOSE;
    shut(&pair.client);
    loop_run_until(&pair.loop, is_ended, &pair.server);
    assert_null(pair.server.stream);
    close_pair(&pair);
}

TEST(stream, may_be_closed_while_it_connects_or_looks_a_name_up)
{
    struct pair pair;
    listen_on(&pair, "127.0.0.1");
    char by_name[64];
    snprintf(by_name, sizeof by_name, "localhost:%d",
             os_listener_port(pair.loop.os, pair.listener));
    assert_int_equal(dial(&pair, pair.address), 0);
    assert_int_equal(send_bytes(&pair.client, 100), 0);
    shut(&pair.client);
    assert_int_equal(dial(&pair, by_name), 0);
    shut(&pair.client);
    pair.client.sent = 0;
    assert_int_equal(dial(&pair, pair.address), 0);
    loop_run_until(&pair.loop, are_open, &pair);
    assert_int_equal(pair.client.is_opened, 1);
    close_pair(&pair);
}

/* -- Trouble ---------------------------------------------------------------------------- */

TEST(stream, is_told_that_nobody_listens)
{
    struct pair pair;
    listen_on(&pair, "127.0.0.1");
    os_listener_close(pair.loop.os, pair.listener);
    assert_int_equal(dial(&pair, pair.address), 0);
    loop_run_until(&pair.loop, is_ended, &pair.client);
    assert_int_equal(pair.client.error, -ECONNREFUSED);
    assert_int_equal(pair.client.is_opened, 0);
    assert_int_equal(os_listen(pair.loop.os, "127.0.0.1:0", on_accept, &pair, &pair.listener), 0);
    close_pair(&pair);
}

/* The other side resets while we write and write: on_close comes once, never from inside the
 * write (struct end counts that), even to a reader that has paused. */
static void break_under_a_writer(int is_paused)
{
    struct pair pair;
    open_pair(&pair);
    os_stream_pause(pair.client.stream, is_paused);
    os_stream_pause(pair.server.stream, 1);
    assert_int_equal(send_bytes(&pair.client, 1000), 0);
    shut(&pair.server);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(send_bytes(&pair.client, 100000), 0);
    }
    loop_run_until(&pair.loop, is_ended, &pair.client);
    assert_true(pair.client.error < 0);
    assert_int_equal(pair.client.is_ended, 1);
    assert_int_equal(send_bytes(&pair.client, 1000), 0);
    close_pair(&pair);
}

TEST(stream, broken_under_a_writer_tells_it_later)
{
    break_under_a_writer(0);
    break_under_a_writer(1);
}

TEST(stream, of_a_killed_process_ends_at_once)
{
    struct pair pair;
    open_pair(&pair);
    /* What the kernel does when it cleans up after kill -9 with bytes unread. */
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    where.sin_port = htons((uint16_t)os_listener_port(pair.loop.os, pair.listener));
    shut(&pair.server);
    shut(&pair.client);
    pair.server = (struct end){0};

    const int other = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(other, (struct sockaddr *)&where, sizeof where), 0);
    loop_run_until(&pair.loop, loop_is_set, &pair.server.is_opened);
    setsockopt(other, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(other);
    loop_run_until(&pair.loop, is_ended, &pair.server);
    assert_int_equal(pair.server.error, -ECONNRESET);
    close_pair(&pair);
}

TEST(listener, refuses_a_port_that_is_taken_or_an_address_that_is_none)
{
    struct pair pair;
    struct os_listener *second;
    static const char *const bad[] = {"",
                                      ":",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "::1:80",
                                      "[::1]80",
                                      "127.0.0.1:x",
                                      "127.0.0.1:65536",
                                      "[::1:80",
                                      ":80",
                                      "127.0.0.1:-1",
                                      "[]:80",
                                      "127.0.0.1:+1"};
    listen_on(&pair, "127.0.0.1");
    assert_int_equal(os_listen(pair.loop.os, pair.address, on_accept, &pair, &second), -EADDRINUSE);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(os_listen(pair.loop.os, bad[i], on_accept, &pair, &second), -EINVAL);
        assert_int_equal(dial(&pair, bad[i]), -EINVAL);
    }
    assert_true(os_listen(pair.loop.os, "no-such-host.invalid:1", on_accept, &pair, &second) < 0);
    close_pair(&pair);
}

TEST(listener, can_be_opened_again_at_once_on_the_same_port)
{
    struct pair pair;
    open_pair(&pair);
    shut(&pair.server);
    shut(&pair.client);
    pair.client.is_opened = 0;
    pair.server.is_opened = 0;
    os_listener_close(pair.loop.os, pair.listener);
    assert_int_equal(os_listen(pair.loop.os, pair.address, on_accept, &pair, &pair.listener), 0);
    assert_int_equal(dial(&pair, pair.address), 0);
    loop_run_until(&pair.loop, are_open, &pair);
    close_pair(&pair);
}

TEST(stream, finds_a_host_by_name_whichever_of_its_addresses_listens)
{
    struct pair pair;
    char by_name[64];
    listen_on(&pair, "127.0.0.1");
    snprintf(by_name, sizeof by_name, "localhost:%d",
             os_listener_port(pair.loop.os, pair.listener));
    assert_int_equal(dial(&pair, by_name), 0);
    assert_int_equal(send_bytes(&pair.client, 10), 0);
    loop_run_until(&pair.loop, are_open, &pair);
    run_until_received(&pair, &pair.server, 10);
    close_pair(&pair);
}

TEST(stream, is_told_that_there_is_no_such_host)
{
    struct pair pair;
    listen_on(&pair, "127.0.0.1");
    assert_int_equal(dial(&pair, "no-such-host.invalid:1"), 0);
    loop_run_until(&pair.loop, is_ended, &pair.client);
    assert_true(pair.client.error < 0);
    close_pair(&pair);
}

TEST(stream, speaks_ipv6)
{
    struct pair pair;
    const int probe = socket(AF_INET6, SOCK_STREAM, 0);
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    const int has_ipv6 = probe >= 0 && bind(probe, (const struct sockaddr *)&any, sizeof any) == 0;
    close(probe);
    if (!has_ipv6) {
        skip();
    }
    listen_on(&pair, "[::1]");
    assert_int_equal(dial(&pair, pair.address), 0);
    loop_run_until(&pair.loop, are_open, &pair);
    assert_memory_equal(os_stream_peer_name(pair.server.stream), "[::1]:", 6);
    assert_int_equal(send_bytes(&pair.client, 10), 0);
    run_until_received(&pair, &pair.server, 10);
    close_pair(&pair);
}
