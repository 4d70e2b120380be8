/* call.h -- one gRPC call as the server's handlers see it: read the request, give the answer.
 *
 * Ownership. A call is handed to the handler once, and the handler ends it once:
 *
 *   unary    from on_call until grpc_call_reply(), grpc_call_commit() or grpc_call_fail()
 *   stream   from on_stream_open until grpc_call_finish() or until on_stream_close returned
 *
 * After that the pointer is dead. A unary call whose client goes away before the answer stays a
 * valid object: on_cancel tells (it is only news), and the handler still ends the call, which
 * then sends nothing. So an answer may come at any time later and never needs to ask whether
 * anybody still waits for it. Ending calls from inside a callback is fine.
 */
#ifndef GRPC_CALL_H
#define GRPC_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "grpc/status.h"

struct grpc_call;

/* -- The request (all borrowed until the call is ended) --------------------------------- */

/* "/etcdserverpb.KV/Put". */
struct bytes grpc_call_path(const struct grpc_call *call);

/* The request message of a unary call, without gRPC's prefix. Aligned as malloc() aligns. */
struct bytes grpc_call_message(const struct grpc_call *call);

/* When the client stops waiting, on the clock of os_now_us(); 0 where it set no limit. */
uint64_t grpc_call_deadline_us(const struct grpc_call *call);

/* The value of a metadata key in lower case ("token", "authorization", "hasleader",
 * "client-api-version"): the first one if it was sent more than once, {NULL, 0} if it was not
 * sent. Values are bytes as they came, not checked to be UTF-8. */
struct bytes grpc_call_metadata(const struct grpc_call *call, const char *key);

/* "address:port" of the client, for logs. "" once the client has gone. */
const char *grpc_call_peer_name(const struct grpc_call *call);

/* The host that the client asked for: ":authority". */
struct bytes grpc_call_authority(const struct grpc_call *call);

/* 1 if nobody waits for the answer any more. */
int grpc_call_is_dead(const struct grpc_call *call);

/* A pointer of the handler's own, NULL at first. */
void grpc_call_set_owner(struct grpc_call *call, void *owner);
void *grpc_call_owner(const struct grpc_call *call);

/* -- The answer of a unary call --------------------------------------------------------- */

/* Answer with one message (copied) and status OK. Returns 0, -ENOMEM without memory or where the
 * message is above 4 GiB, or -ENOBUFS where too many answers wait for this client already. After an
 * error nothing is answered yet: fail the call, with what the client may believe then. */
int grpc_call_reply(struct grpc_call *call, struct bytes message);

/* The same without the copy: ask for the room of exactly `size` bytes, fill it, commit. NULL
 * when there is no memory: then fail the call instead, as after an error of the commit, which is
 * -ENOBUFS. A reserved call may still be failed. */
uint8_t *grpc_call_reserve(struct grpc_call *call, size_t size);
int grpc_call_commit(struct grpc_call *call);

/* Answer with a status other than OK and no message. `text` is copied. */
void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const char *text);

/* -- The answers of a stream ------------------------------------------------------------ */

/* Queue one message (copied). -ENOBUFS if the client reads so slowly that the limit
 * stream_queue_max would be passed, -ENOMEM without memory: nothing was queued then. */
int grpc_call_send(struct grpc_call *call, struct bytes message);

/* Bytes queued by grpc_call_send() that have not been given to the connection yet: above a
 * measure of the handler's own, wait for on_stream_drain before sending more. */
size_t grpc_call_queued(const struct grpc_call *call);

/* End the stream after what is queued, with `code` (GRPC_OK included) and `text` (copied; may
 * be NULL). on_stream_close is not called for it. */
void grpc_call_finish(struct grpc_call *call, enum grpc_code code, const char *text);

#endif /* GRPC_CALL_H */
