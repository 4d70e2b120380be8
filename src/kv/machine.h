/* machine.h -- the store as the state machine that a replica feeds. */
#ifndef KV_MACHINE_H
#define KV_MACHINE_H

#include "kv/kv.h"
#include "synod/machine.h"

struct machine;

/* A machine with an empty store, or NULL without memory. */
struct machine *machine_new(void);

/* Free it. Dumps that are open live on until their snapshot_close(), whose context is not
 * looked at. */
void machine_free(struct machine *machine);

/* Fill in the callbacks, with the machine as their context.
 *
 * apply   A command's kind is an enum kv_command, its data the request message of that name as
 *         the client sent it. Returns a const struct kv_result *. A command that is malformed
 *         or refused changes nothing and has an error for its result, on every replica alike.
 *         Running out of memory here ends the process through assert_failed(): a replica that
 *         skipped a command would no longer be one. Where only the answer does not find room, it
 *         is lost, and the result says so.
 *
 * restore_begin   Drops the old state. Where there is no memory even for an empty store and a
 *         snapshot is open, the old state stays instead; nothing else differs. */
void machine_callbacks(struct machine *machine, struct synod_machine *callbacks);

/* From now on an answer takes `bytes` at most, roughly; 0, as at first: any number. It bounds what
 * a command can cost in memory, and never what is applied. */
void machine_limit_answers(struct machine *machine, uint64_t bytes);

/* The store, to read. Another one after each restore_begin; half filled until restore_end. */
struct kv *machine_kv(struct machine *machine);

#endif /* KV_MACHINE_H */
