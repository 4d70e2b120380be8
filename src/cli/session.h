/* session.h -- one request after the other to whichever of several members answers.
 *
 * A read is tried at the next member whenever one is not available. A write is tried again only
 * if it surely was not taken: there was no connection, or the member said that it never
 * proposed it. After anything else its outcome is unknown, and only the caller knows whether
 * doing it twice would hurt. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <protobuf-c/protobuf-c.h>

#include "cli/options.h"
#include "grpc/status.h"

struct session;

/* A session with these endpoints, not connected yet; `client` is borrowed while it lives. NULL
 * where they cannot be understood: it was said. */
struct session *session_open(const struct client_options *client);
void session_close(struct session *session);

uint32_t session_endpoint_count(const struct session *session);
const char *session_endpoint(const struct session *session, uint32_t index);

/* How a request may be repeated, and where it goes. */
enum session_kind {
    SESSION_READ = 1,
    SESSION_WRITE,
    SESSION_HERE, /* To the endpoint of session_aim() and to no other. */
};

/* The next request begins at this endpoint. */
void session_aim(struct session *session, uint32_t index);

/* Ask, and wait. Returns the answer, of the type `type`, to be freed with
 * protobuf_c_message_free_unpacked(answer, NULL), or NULL: session_error() says why. */
void *session_call(struct session *session, const char *path, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *type, enum session_kind kind);

/* Why the last call failed: the server's own words, or ours. Borrowed until the next call. */
const char *session_error(const struct session *session);

/* True if the last call was a write of which nobody knows whether it happened. */
int session_is_uncertain(const struct session *session);

/* Print why the last call failed, as `synod COMMAND` would, on standard error. */
void session_complain(const struct session *session, const char *command);

#endif /* CLI_SESSION_H */
