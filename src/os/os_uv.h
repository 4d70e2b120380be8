/* os_uv.h -- os.h on libuv: the real world, as a server sees it.
 *
 *     struct os *os = os_uv_new();
 *     ... make listeners, timers, replicas of it ...
 *     os_uv_run(os);                      // until something calls os_uv_stop()
 *     ... close and free them ...
 *     os_uv_free(os);
 */
#ifndef OS_OS_UV_H
#define OS_OS_UV_H

#include "os/os.h"

/* A loop, or NULL without memory or descriptors. From now on the process ignores SIGPIPE (a
 * broken connection is told by on_close), and libuv's pool has at least 8 threads unless it
 * was in use before. */
struct os *os_uv_new(void);

/* Run the loop until os_uv_stop(). The callbacks of os_turn_end() are called once more before
 * it returns, so what the last turn gathered is sent too. It may be run again. */
void os_uv_run(struct os *os);

/* Make os_uv_run() return at the end of this turn. On the loop thread. */
void os_uv_stop(struct os *os);

/* Call back on the loop thread whenever the process gets the signal, for the life of the loop.
 * Returns 0, -EINVAL for a signal that cannot be caught, or -ENOMEM. */
int os_uv_on_signal(struct os *os, int signum, os_callback callback, void *context);

/* Free the loop. Its timers, listeners and streams must be freed or closed before, and no work
 * be under way. Closed streams whose last bytes have not left yet lose them. */
void os_uv_free(struct os *os);

#endif /* OS_OS_UV_H */
