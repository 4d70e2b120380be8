/* failure.h -- what went wrong, as etcd says it: a gRPC code, and the text that clients compare. */
#ifndef ETCD_FAILURE_H
#define ETCD_FAILURE_H

#include "grpc/status.h"

/* How a request failed. `text` is a literal. */
struct failure {
    enum grpc_code code;
    const char *text;
};

/* The failure of a replica: a negative enum synod_error; any other number is a bug of ours and
 * said to be one. */
struct failure failure_of_replica(int error);

/* The failure of the store: a negative enum kv_error. */
struct failure failure_of_store(int error);

/* The request's deadline passed. */
struct failure failure_of_deadline(void);

/* The client asked to be refused where there is no leader ("hasleader"), and there is none. */
struct failure failure_of_no_leader(void);

/* "client-api-version" is not UTF-8. */
struct failure failure_of_client_version(void);

/* The request is larger than --max-request-bytes. */
struct failure failure_of_size(void);

/* There is no memory for it. */
struct failure failure_of_memory(void);

/* The bytes are no message of the kind that the method takes: the words of Go's gRPC library. */
struct failure failure_of_message(void);

/* The method exists, but not what was asked of it. `text` is a literal that says which. */
struct failure failure_of_missing(const char *text);

#endif /* ETCD_FAILURE_H */
