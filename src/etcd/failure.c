/* failure.c -- what went wrong, as etcd says it.
 *
 * Clients decide by these texts whether they may try again. clientv3 repeats a read on any
 * Unavailable, and a write only on texts that say that there was no connection. So an uncertain
 * write is "request timed out", on which nobody repeats a write blindly. */
#include "etcd/failure.h"

#include "kv/kv.h"
#include "synod/error.h"

struct failure failure_of_replica(int error)
{
    switch (error) {
    case SYNOD_ERR_NO_LEADER:
        return failure_of_no_leader();
    case SYNOD_ERR_UNKNOWN:
        return (struct failure){GRPC_UNAVAILABLE, "etcdserver: request timed out"};
    case SYNOD_ERR_BUSY:
        return (struct failure){GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests"};
    case SYNOD_ERR_MEMORY:
        return failure_of_memory();
    case SYNOD_ERR_TOO_BIG:
        return failure_of_size();
    case SYNOD_ERR_STOPPED:
    case SYNOD_ERR_STORAGE:
        return (struct failure){GRPC_UNAVAILABLE, "etcdserver: server stopped"};
    case SYNOD_ERR_CORRUPT:
        return (struct failure){GRPC_DATA_LOSS, "etcdserver: corrupt cluster"};
    default:
        return (struct failure){GRPC_UNKNOWN, "etcdserver: unexpected error"};
    }
}

struct failure failure_of_store(int error)
{
    return (struct failure){(enum grpc_code)kv_error_status(error), kv_error_text(error)};
}

struct failure failure_of_deadline(void)
{
    return (struct failure){GRPC_DEADLINE_EXCEEDED, "context deadline exceeded"};
}

struct failure failure_of_no_leader(void)
{
    return (struct failure){GRPC_UNAVAILABLE, "etcdserver: no leader"};
}

struct failure failure_of_client_version(void)
{
    return (struct failure){GRPC_INVALID_ARGUMENT, "etcdserver: invalid client api version"};
}

struct failure failure_of_size(void)
{
    return (struct failure){GRPC_INVALID_ARGUMENT, "etcdserver: request is too large"};
}

struct failure failure_of_memory(void)
{
    return (struct failure){GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests"};
}

struct failure failure_of_message(void)
{
    return failure_of_store(KV_ERR_MALFORMED);
}

struct failure failure_of_missing(const char *text)
{
    return (struct failure){GRPC_UNIMPLEMENTED, text};
}
