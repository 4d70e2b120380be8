/* log.h -- the bytes behind the slots: in memory while they are fresh, then on the disk.
 *
 * The core knows entries by identity and handle; this is what a handle means. Values stay in
 * memory until their slot is applied, and a little longer, for members that are a little late;
 * where their records lie in the write-ahead log is remembered until a snapshot covers them. */
#ifndef REPLICA_LOG_H
#define REPLICA_LOG_H

#include "base/bytes.h"
#include "synod/core.h"

/* The bytes of a proposed value. Before its slot is chosen, a slot may have several. */
struct value {
    struct value *next; /* Another value proposed for the same slot. */
    uint64_t checksum;
    uint32_t size;
    uint8_t bytes[]; /* `size` of them. */
};

struct log_slot {
    struct value *values; /* NULL: none in memory, or a no-op. */
    uint64_t lsn;         /* Of the last vote or learned entry recorded; 0: none. */
    uint64_t view;        /* Of that entry. */
    uint32_t size;        /* Of that entry's value. */
    uint32_t kind;        /* Of that entry; 0: none. */
};

struct log {
    struct log_slot *slots; /* Ring of `capacity`, a power of two. */
    uint64_t capacity;
    synod_slot first;     /* The oldest slot remembered; those below are in a snapshot. */
    synod_slot end;       /* One past the newest slot with anything in it; >= first. */
    synod_slot applied;   /* Slots up to here hold one value at most: what was chosen. */
    synod_slot cached;    /* The oldest slot whose value is still in memory, or above. */
    uint64_t cache_bytes; /* Of applied values in memory. */
    uint64_t cache_max;   /* Above it the oldest are dropped from memory. */
};

/* An empty log that begins after `slot`. */
void log_init(struct log *log, synod_slot slot, uint64_t cache_max);
void log_deinit(struct log *log);

/* A value of its own, in no slot yet; NULL without memory. The bytes are the caller's to fill
 * before value_seal() computes the checksum. */
struct value *value_new(size_t size);
void value_seal(struct value *value);

/* The checksum that identifies a value. */
uint64_t value_checksum(struct bytes bytes);

static inline struct value *value_of_handle(uint64_t handle)
{
    return (struct value *)(uintptr_t)handle;
}

static inline uint64_t value_handle(const struct value *value)
{
    return (uint64_t)(uintptr_t)value;
}

/* The value with these bytes at `slot`, entered if it is not there. NULL without memory, or if
 * the slot was applied. */
struct value *log_enter(struct log *log, synod_slot slot, uint64_t checksum, struct bytes bytes);

/* Put a value of its own at a slot. -1 without memory (it stays the caller's). */
int log_attach(struct log *log, synod_slot slot, struct value *value);

/* Drop the values at `slot`, which was not applied, that the core does not hold. */
void log_prune(struct log *log, synod_slot slot, const struct synod_core *core);

/* Record `lsn` of the write-ahead log holds `entry`. -1 without memory. */
int log_recorded(struct log *log, const struct synod_entry *entry, uint64_t lsn);

/* What is remembered of a slot, or NULL. */
const struct log_slot *log_at(const struct log *log, synod_slot slot);

/* `entry` was chosen and applied: other values proposed there are dropped. In order of slots. */
void log_applied(struct log *log, const struct synod_entry *entry);

/* Forget everything up to `slot`, which may be ahead of what was applied (a snapshot). */
void log_trim(struct log *log, synod_slot slot);

/* The lowest record that slots above `slot` need; UINT64_MAX if none. */
uint64_t log_lsn_above(const struct log *log, synod_slot slot);

/* The lowest slot such that the records of those above it, up to `slot`, are `lsn` or later. */
synod_slot log_slot_behind(const struct log *log, synod_slot slot, uint64_t lsn);

#endif /* REPLICA_LOG_H */
