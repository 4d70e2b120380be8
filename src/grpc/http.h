/* http.h -- one plain HTTP request, over HTTP/1.1 or HTTP/2, as the server's handlers see it.
 *
 * Ownership is that of a unary gRPC call: a request is handed to on_http once, and the handler
 * ends it once, with http_reply() or http_reply_end(); then the pointer is dead. If the client
 * goes away before, on_http_close tells (news only), the object stays valid, and the handler
 * still ends it, which sends nothing.
 */
#ifndef GRPC_HTTP_H
#define GRPC_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct http_request;

/* -- The request (all borrowed until it is ended) --------------------------------------- */

struct bytes http_request_method(const struct http_request *request); /* "GET" */
struct bytes http_request_path(const struct http_request *request);   /* "/health", not decoded. */
struct bytes http_request_query(const struct http_request *request);  /* "a=b&c", without '?'. */
struct bytes http_request_body(const struct http_request *request);

/* The value of a header by its name in lower case; the first of several; {NULL, 0} if it was
 * not sent. The host of an HTTP/2 request is found under "host" too. */
struct bytes http_request_header(const struct http_request *request, const char *name);

/* "address:port" of the client, for logs. "" once the client has gone. */
const char *http_request_peer_name(const struct http_request *request);

/* 1 if nobody waits for the answer any more. */
int http_request_is_dead(const struct http_request *request);

/* A pointer of the handler's own, NULL at first. */
void http_request_set_owner(struct http_request *request, void *owner);
void *http_request_owner(const struct http_request *request);

/* -- The answer ------------------------------------------------------------------------- */

/* Add a header to the answer, before it begins. `name` in lower case; both are copied. Names
 * and values with control characters are dropped: they would be another header. */
void http_reply_header(struct http_request *request, const char *name, const char *value);

/* Answer whole: with Content-Length. `content_type` may be NULL where the body is empty. */
void http_reply(struct http_request *request, unsigned status, const char *content_type,
                struct bytes body);

/* Or answer in pieces, each of which leaves at the end of the turn. http_reply_send() copies;
 * it returns -ENOBUFS if the client reads so slowly that the limit stream_queue_max would be
 * passed, -ENOMEM without memory, and then has sent nothing. */
void http_reply_begin(struct http_request *request, unsigned status, const char *content_type);
int http_reply_send(struct http_request *request, struct bytes piece);
size_t http_reply_queued(const struct http_request *request);
void http_reply_end(struct http_request *request);

#endif /* GRPC_HTTP_H */
