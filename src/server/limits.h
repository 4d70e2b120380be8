/* limits.h -- what the system lets this process have: open files, and so connections. */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include <stdint.h>

/* Connections that a limit of `files` open files leaves room for, clients' and those of the metrics
 * port together: 256 files are kept for the log, snapshots and members, and of a very small limit
 * three quarters. At least 1, at most 20,000. */
uint32_t limits_connections(uint64_t files);

/* Raise the limit of open files as far as the system allows, and return limits_connections() of
 * what it is then. Where that is few, the log says so. */
uint32_t limits_raise(void);

#endif /* SERVER_LIMITS_H */
