/* records.h -- what a replica writes into the log: the bodies of its records.
 *
 *   type      copies  body
 *   PROMISE   two     u64 view, ballot
 *   VOTE      one     u64 view, ballot, entry, the value
 *   LEARNED   one     u64 view, ballot of zeroes, entry, the value
 *   CHOSEN    one     u64 view, u64 slot
 *   IDENTITY  two     u64 member id of this data directory
 *   START     two     u64 start count, u64 random number
 *   TABLE     two     the members that found the cluster: see founding.c
 *   RUNNING   two     nothing: every member holds the same table, and so may vote
 *
 * A ballot is u64 round, u64 member, u64 incarnation; an entry is u64 slot, u64 view,
 * u64 checksum, u32 size, u32 kind. */
#ifndef REPLICA_RECORDS_H
#define REPLICA_RECORDS_H

#include "base/bytes.h"
#include "synod/core.h"
#include "wal/wal.h"

/* The first four are enum synod_record_type. */
enum record_type {
    RECORD_IDENTITY = 16,
    RECORD_START,
    RECORD_TABLE,
    RECORD_RUNNING,
};

enum {
    RECORD_FORMAT = 1,
    RECORD_HEAD_SIZE = 64
};

/* Append a record of the core. Its value, if it has one, is found by the entry's handle.
 * Returns its number in the log. */
uint64_t records_append(struct wal *wal, const struct synod_record *record);

/* Append one of the replica's own; all of them are kept in two copies. */
uint64_t records_append_own(struct wal *wal, enum record_type type, struct bytes body);

/* Read a record of the core back; *value is borrowed from the body, empty where there is none.
 * Returns 0, or -1 where the body is not what its type says. The handle is 0. */
int records_decode(const struct wal_record *wal_record, struct synod_record *record,
                   struct bytes *value);

/* One line about a record for `synod wal dump`, of at most `size` bytes with its NUL. */
void records_describe(const struct wal_record *record, char *text, size_t size);

/* "vote", "promise" ...; never NULL. */
const char *records_type_name(uint16_t type);

#endif /* REPLICA_RECORDS_H */
