/* grpc_http1_fuzz.c -- our HTTP server, and a client of HTTP/1.1 that keeps no rules.
 *
 * u8 size of the pieces in which bytes arrive, u8 how what is held is answered, then the bytes. */
#include "fuzz.h"
#include "grpc_rig.h"

FUZZ(grpc_http1)
{
    struct feed feed = {input};
    struct grpc_rig *rig = grpc_rig_new();
    rig->pair->piece_max = feed_u8(&feed) % 64;
    const uint8_t how = feed_u8(&feed);
    const size_t half = how < 128 ? feed.rest.size : feed.rest.size / 2;
    grpc_rig_send(rig, feed_take(&feed, half));
    grpc_rig_answer(rig, how);
    os_pair_advance(rig->pair, how % 4 * UINT64_C(4000000));
    grpc_rig_send(rig, feed.rest);
    grpc_rig_free(rig);
}
