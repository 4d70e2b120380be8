/* grpc_http2_fuzz.c -- our gRPC server, and a client over HTTP/2 that keeps no rules.
 *
 * u8 size of the pieces in which bytes arrive; then strokes: u8, of which one in eight lets time
 * pass, one answers what is held, and the others send a piece of h2_script.h. */
#include "base/assert.h"
#include "fuzz.h"
#include "grpc_rig.h"
#include "h2_script.h"

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

FUZZ(grpc_http2)
{
    struct feed feed = {input};
    struct grpc_rig *rig = grpc_rig_new();
    struct buffer out = {0};
    rig->pair->piece_max = feed_u8(&feed) % 64;
    int error = buffer_append(&out, PREFACE, sizeof PREFACE - 1);
    assert(error == 0);
    error = buffer_append(&out, "\0\0\0\4\0\0\0\0\0", 9); /* SETTINGS. */
    assert(error == 0);
    while (!feed_is_empty(&feed) && !rig->is_closed) {
        const uint8_t stroke = feed_u8(&feed);
        if (stroke % 8 == 0) {
            os_pair_advance(rig->pair, feed_u8(&feed) * UINT64_C(100000));
        } else if (stroke % 8 == 1) {
            grpc_rig_answer(rig, feed_u8(&feed));
        } else {
            h2_script_piece(&out, &feed);
        }
        if (stroke >= 128) {
            grpc_rig_send(rig, buffer_bytes(&out));
            buffer_clear(&out, 0);
        }
    }
    grpc_rig_send(rig, buffer_bytes(&out));
    buffer_deinit(&out);
    grpc_rig_free(rig);
}
