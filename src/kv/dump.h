/* dump.h -- the store as a stream of canonical bytes: snapshots, and the hash of the state. */
#ifndef KV_DUMP_H
#define KV_DUMP_H

#include "kv/kv.h"

/* The format, written by dump.c and read by load.c. */
enum {
    DUMP_MAGIC_SIZE = 8,
    DUMP_HEAD_SIZE = 32,   /* Of the stream. */
    DUMP_RECORD_SIZE = 48, /* Of a record before its key and value. */
    DUMP_FORMAT = 1,
    DUMP_TOMBSTONE = 1, /* Flags of a record. */
    DUMP_END = 2,
};

extern const uint8_t dump_magic[DUMP_MAGIC_SIZE];

/* One open dump. It shows the store as it was when it was opened, whatever is applied
 * meanwhile; the memory of old versions is not reclaimed while it is open. */
struct dump;

/* Freeze the store and return a dump of it, or NULL without memory. */
struct dump *dump_open(struct kv *kv);

/* Copy the next bytes, at most `size`. Returns how many; 0 at the end. May be called by any one
 * thread while another one goes on changing the store. */
size_t dump_read(struct dump *dump, void *to, size_t size);

/* Close it, on the thread that changes the store. */
void dump_close(struct dump *dump);

#endif /* KV_DUMP_H */
