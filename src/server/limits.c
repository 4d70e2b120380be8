/* limits.c -- open files, and so connections.
 *
 * A connection is a descriptor, and so is a segment of the log that is written next. Without a
 * bound that knows the limit, clients that do nothing but connect would take the last descriptor,
 * and the member would end for want of one when its log goes on to the next file. */
#include "server/limits.h"

#include <sys/resource.h>

#include "base/log.h"

enum {
    FILES_KEPT = 256, /* Some dozens are in use; the rest is for what closes late. */
    SMALL_PART = 4,   /* One of so many files is a connection's where the limit is very small. */
    CONNECTIONS_MAX = 20000,
    CONNECTIONS_FEW = 1000,
};

uint32_t limits_connections(uint64_t files)
{
    const uint64_t left = files > FILES_KEPT ? files - FILES_KEPT : 0;
    const uint64_t part = files / SMALL_PART;
    const uint64_t count = left > part ? left : part;
    return count == 0 ? 1 : count < CONNECTIONS_MAX ? (uint32_t)count : CONNECTIONS_MAX;
}

uint32_t limits_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return CONNECTIONS_FEW;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        const rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            limit.rlim_cur = before;
        }
    }
    const uint32_t connections = limits_connections(limit.rlim_cur);
    if (connections < CONNECTIONS_FEW) {
        log_write(LOG_WARN,
                  "the limit of open files leaves room for few clients: raise it (ulimit -n, or "
                  "LimitNOFILE of a unit file)",
                  (struct log_field[]){
                      log_u64("limit", limit.rlim_cur), log_u64("connections", connections), {0}});
    }
    return connections;
}
