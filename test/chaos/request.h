/* request.h -- operations as requests of the etcd v3 API, and what their answers say. */
#ifndef CHAOS_REQUEST_H
#define CHAOS_REQUEST_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "check/chronicle.h"
#include "grpc/client.h"

/* Append the operation's message to `to`, and return the path of its method, a literal. The key
 * of number k is "chaos/" and k in seven digits; a value is its number, in some cases behind many
 * zeroes. */
const char *request_encode(const struct chronicle *history, size_t operation, struct buffer *to);

/* Note what the answer says. Returns 0, or -1 if that is no answer to such a request. A value that
 * was put together by nobody becomes one whose number nobody wrote, so that the judge finds it. */
int request_decode(struct chronicle *history, size_t operation, struct bytes message);

/* What is known of an operation whose call failed. OUTCOME_NOT_DONE is said only if it surely
 * was not done and never will be; 0 if a correct server cannot fail it like that. */
enum operation_outcome request_outcome(const struct chronicle *history, size_t operation,
                                       const struct grpc_result *result);

#endif /* CHAOS_REQUEST_H */
