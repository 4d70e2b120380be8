/* http1_test.c -- plain HTTP/1.1 against the server, well-behaved and not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

TEST(http1, answers_a_get)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw, "GET /echo?a=b HTTP/1.1\r\nHost: h\r\nX: seven\r\n\r\n");
    assert_true(raw_has(&raw, "HTTP/1.1 200 OK\r\n"));
    assert_true(raw_has(&raw, "y: seven\r\n"));
    assert_true(raw_has(&raw, "content-length: 18\r\n\r\nGET /echo [a=b] ()"));
    assert_false(raw.is_closed);
    raw_close(&raw);
    rig_free(rig);
}

/* Whatever the network does to the boundaries of what was written. */
TEST(http1, understands_input_in_pieces_of_any_size)
{
    for (size_t piece = 1; piece < 40; piece++) {
        struct rig *rig = rig_new(NULL);
        struct raw raw;

        rig->pair->piece_max = piece;
        raw_connect(rig, &raw);
        raw_send_text(rig, &raw,
                      "POST /echo HTTP/1.1\r\nHost: h\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello"
                      "GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_true(raw_has(&raw, "POST /echo [] (hello)"));
        assert_true(raw_has(&raw, "y: 1\r\n"));
        assert_true(raw_has(&raw, "0\r\n\r\n"));
        raw_close(&raw);
        rig_free(rig);
    }
}

/* Pipelining: a hundred requests in one write are answered in their order. */
TEST(http1, answers_pipelined_requests_in_order)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;
    char text[100 * 64] = "";
    size_t size = 0;

    for (int i = 0; i < 100; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "GET /echo?%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
    }
    raw_connect(rig, &raw);
    raw_send(rig, &raw, text, size);
    assert_int_equal(raw_count(&raw, "HTTP/1.1 200 OK"), 100);
    const char *at = (const char *)buffer_bytes(&raw.received).data;
    const char *end = at + buffer_size(&raw.received);
    for (int i = 0; i < 100; i++) {
        char wanted[32];
        const int length = snprintf(wanted, sizeof wanted, "[%d]", i);
        at = memmem(at, (size_t)(end - at), wanted, (size_t)length);
        assert_non_null(at);
    }
    raw_close(&raw);
    rig_free(rig);
}

/* The second request waits until the first was answered, however long that takes. */
TEST(http1, keeps_later_requests_waiting)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw,
                  "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(rig->request);
    assert_int_equal(buffer_size(&raw.received), 0);
    http_reply(rig->request, 503, "text/plain", bytes_of_text("later"));
    os_pair_settle(rig->pair);
    assert_true(raw_has(&raw, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_true(raw_has(&raw, "GET /echo"));
    raw_close(&raw);
    rig_free(rig);
}

TEST(http1, takes_chunked_bodies_and_gives_chunked_answers)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw,
                  "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n");
    assert_true(raw_has(&raw, "POST /echo [] (hello!)"));
    raw_send_text(rig, &raw, "GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(raw_has(&raw, "transfer-encoding: chunked\r\n\r\n6\r\nonetwo\r\n0\r\n\r\n"));
    raw_close(&raw);
    rig_free(rig);
}

/* The host of a trailer is nobody's: neither of its request nor of the next, which has none. */
TEST(http1, takes_no_field_of_a_trailer_for_one_of_a_head)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw,
                  "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\nhello\r\n0\r\nHost: trailer\r\n\r\n");
    assert_true(raw_has(&raw, "(hello)"));
    raw_send_text(rig, &raw, "GET /pieces HTTP/1.1\r\nAccept: x\r\n\r\n");
    assert_true(raw_has(&raw, "HTTP/1.1 400"));
    raw_close(&raw);
    rig_free(rig);
}

TEST(http1, sends_no_body_in_answer_to_head)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw, "HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(raw_has(&raw, "content-length: 16\r\n\r\n"));
    assert_false(raw_has(&raw, "HEAD /echo"));
    raw_send_text(rig, &raw, "HEAD /pieces HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_false(raw_has(&raw, "onetwo"));
    raw_send_text(rig, &raw, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(raw_has(&raw, "GET /echo"));
    raw_close(&raw);
    rig_free(rig);
}

TEST(http1, closes_when_asked_to_and_for_http10)
{
    static const char *const requests[] = {
        "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /echo HTTP/1.0\r\n\r\n",
        "GET /pieces HTTP/1.0\r\n\r\n",
    };
    struct rig *rig = rig_new(NULL);
    for (size_t i = 0; i < 3; i++) {
        struct raw raw;
        raw_connect(rig, &raw);
        raw_send_text(rig, &raw, requests[i]);
        assert_true(raw_has(&raw, "200 OK"));
        assert_true(raw_has(&raw, "connection: close\r\n"));
        assert_true(raw_has(&raw, i == 2 ? "\r\n\r\nonetwo" : "GET /echo"));
        assert_true(raw.is_closed);
        raw_close(&raw);
    }
    rig_free(rig);
}

TEST(http1, tells_a_client_that_asks_to_continue)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw,
                  "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
                  "Expect: 100-continue\r\n\r\n");
    assert_true(raw_has(&raw, "HTTP/1.1 100 Continue\r\n\r\n"));
    raw_send_text(rig, &raw, "ok");
    assert_true(raw_has(&raw, "(ok)"));
    raw_close(&raw);
    rig_free(rig);
}

/* What curl --http2 sends to a server that it does not know. */
TEST(http1, ignores_an_upgrade)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw,
                  "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
                  "GET /echo?2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(raw_has(&raw, "GET /echo []"));
    assert_true(raw_has(&raw, "GET /echo [2]"));
    raw_close(&raw);
    rig_free(rig);
}

TEST(http1, carries_a_big_answer_to_a_slow_reader)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    rig->pair->piece_max = 1000;
    rig->pair->kernel_size = 2000;
    raw_connect(rig, &raw);
    raw_send_text(rig, &raw, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(raw_has(&raw, "content-length: 1000000\r\n"));
    assert_true(buffer_size(&raw.received) > 1000000);
    raw_close(&raw);
    rig_free(rig);
}

/* Each of them gets its status and the connection ends; the server lives. */
TEST(http1, answers_what_is_wrong_with_a_request)
{
    char long_head[20000];
    char long_target[20000];
    memset(long_head, 'x', sizeof long_head);
    memset(long_target, 'x', sizeof long_target);
    memcpy(long_head, "GET / HTTP/1.1\r\nHost: h\r\nA: ", 28);
    memcpy(long_target, "GET /", 5);
    const struct {
        const char *request;
        size_t size; /* 0: a string. */
        const char *status;
    } cases[] = {
        {"nonsense\r\n\r\n", 0, "400"},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, "400"}, /* TLS. */
        {"GET /echo HTTP/1.1\r\n\r\n", 0, "400"},                    /* No host. */
        {"GET echo HTTP/1.1\r\nHost: h\r\n\r\n", 0, "400"},
        {"GET /echo HTTP/1.1\r\nHost: h\r\nA B: c\r\n\r\n", 0, "400"},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 0, "400"},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 0,
         "400"},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: "
         "chunked\r\n\r\n",
         0, "400"},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", 0, "413"},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, "400"},
        {long_head, sizeof long_head, "431"},
        {long_target, sizeof long_target, "431"},
    };
    struct rig *rig = rig_new(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw raw;
        char wanted[32];
        snprintf(wanted, sizeof wanted, "HTTP/1.1 %s ", cases[i].status);
        raw_connect(rig, &raw);
        raw_send(rig, &raw, cases[i].request,
                 cases[i].size == 0 ? strlen(cases[i].request) : cases[i].size);
        assert_int_equal(raw_count(&raw, "HTTP/1.1 "), 1);
        assert_true(raw_has(&raw, wanted));
        assert_true(raw_has(&raw, "connection: close\r\n"));
        /* What it goes on sending is dropped, and after a while it is closed. */
        raw_send_text(rig, &raw, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_int_equal(raw_count(&raw, "HTTP/1.1 "), 1);
        os_pair_advance(rig->pair, 22000000);
        assert_true(raw.is_closed);
        raw_close(&raw);
    }
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    assert_int_equal(grpc_server_counts(rig->server).connections, 0);
    rig_free(rig);
}

/* A request that comes a byte at a time, for ever, does not hold its connection for ever. */
TEST(http1, closes_a_client_that_never_completes_its_request)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    os_pair_advance(rig->pair, 3600 * 1000000ull);
    assert_false(raw.is_closed);
    raw_send_text(rig, &raw, "GET /echo HTTP/1.1\r\nHost: ");
    for (int i = 0; i < 25 && !raw.is_closed; i++) {
        os_pair_advance(rig->pair, 1000000);
        if (!raw.is_closed) {
            raw_send_text(rig, &raw, "h");
        }
    }
    assert_true(raw.is_closed);
    raw_close(&raw);
    rig_free(rig);
}

TEST(http1, is_told_when_the_client_of_a_pending_request_goes)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send_text(rig, &raw, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    raw_close(&raw);
    os_pair_settle(rig->pair);
    assert_int_equal(rig->http_closes, 1);
    http_reply_begin(rig->request, 200, NULL);
    assert_int_equal(http_reply_send(rig->request, bytes_of_text("nobody hears this")), 0);
    http_reply_end(rig->request);
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    rig_free(rig);
}

/* A client that sends requests and never reads: what is kept for it is bounded. */
TEST(http1, stops_reading_from_a_client_that_runs_ahead)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;
    static const char request[] = "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n";

    rig->pair->piece_max = 4096;
    raw_connect(rig, &raw);
    raw_send_text(rig, &raw, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 10000; i++) {
        raw_send(rig, &raw, request, sizeof request - 1);
    }
    assert_true(os_stream_queued(raw.stream) > 100000);
    http_reply(rig->request, 200, NULL, bytes_of(NULL, 0));
    os_pair_settle(rig->pair);
    assert_int_equal(raw_count(&raw, "HTTP/1.1 200 OK"), 10001);
    raw_close(&raw);
    rig_free(rig);
}
