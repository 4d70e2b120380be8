/* record.h -- operations of a history as the store's requests, and its answers as theirs.
 *
 * A key is named so that names are in the order of numbers; a value is its number in decimal,
 * in some cases behind zeroes: behind many where the number has the bit RECORD_LARGE.
 *
 * A request can be said in many ways: a get may want the keys alone, or another order, or have
 * filters that let everything pass, and the end of a txn's branch may be a txn within it. Which
 * it is follows from where the operation stands in its history, so whoever says it again says the
 * same; an answer is held against what was said, and noted as the answer to what was meant. */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "base/buffer.h"
#include "check/chronicle.h"
#include "kv/kv.h"

enum {
    RECORD_KEY_MAX = 16,
    RECORD_VALUE_MAX = 40004
};

#define RECORD_LARGE ((uint64_t)1 << 40)

/* The name of a key, the text of a value; their sizes in bytes. */
size_t record_key(uint32_t key, char to[RECORD_KEY_MAX]);
size_t record_value(uint64_t value, char to[RECORD_VALUE_MAX]);

/* Append etcd's request message of an operation. Returns its enum kv_command, or 0 where it is a
 * get, which is no command. */
uint32_t record_encode(const struct chronicle *history, size_t operation, struct buffer *to);

/* Note a command's answer: the operation is done, as the result says, or was refused. Returns
 * its outcome; the caller ends the operation with it. */
enum operation_outcome record_result(struct chronicle *history, size_t operation,
                                     const struct kv_result *result);

/* Perform a get on a store, as it was at `revision` (0: as it is), and note the answer. */
enum operation_outcome record_get(struct chronicle *history, size_t operation, const struct kv *kv,
                                  int64_t revision);

#endif /* SIM_RECORD_H */
