/* kv.h -- the store: every version of every key since the last compaction, under etcd's rules.
 *
 * A pure, deterministic structure in memory. The same requests in the same order give the same
 * answers and the same state everywhere; there is no clock, no chance and no I/O in it.
 *
 * Requests   Decoded by decode.h; their bytes are views of the request's own bytes, which must
 *            outlive them. A request is only valid once its kv_check_*() has returned 0.
 * Results    Hold pointers to items of the store, borrowed until the next call that changes it.
 * Errors     0, or a negative enum kv_error. On an error nothing was changed, except that
 *            KV_ERR_NO_MEMORY in the middle of a txn or of a deletion of a range leaves
 *            the store half changed: whoever applies a log must then stop (machine.c does).
 * Answers    May be bounded (`answer_max`): a request of a few bytes can ask for any number. What
 *            is read only is refused above it. A write is done all the same, for what a replica
 *            has room for must not decide what is applied; its answer is then lost (`lost`), as it
 *            is where there is no memory for it.
 * Threads    One thread, apart from the readers of a dump (dump.h). */
#ifndef KV_KV_H
#define KV_KV_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "kv/item.h"

/* Name, code, gRPC status, text. The text is what etcd's clients compare with, to the letter. */
#define KV_ERROR_MAP(X)                                                                            \
    X(KV_ERR_EMPTY_KEY, -1, 3, "etcdserver: key is not provided")                                  \
    X(KV_ERR_KEY_NOT_FOUND, -2, 3, "etcdserver: key not found")                                    \
    X(KV_ERR_VALUE_PROVIDED, -3, 3, "etcdserver: value is provided")                               \
    X(KV_ERR_LEASE_PROVIDED, -4, 3, "etcdserver: lease is provided")                               \
    X(KV_ERR_TOO_MANY_OPS, -5, 3, "etcdserver: too many operations in txn request")                \
    X(KV_ERR_DUPLICATE_KEY, -6, 3, "etcdserver: duplicate key given in txn request")               \
    X(KV_ERR_INVALID_SORT, -7, 3, "etcdserver: invalid sort option")                               \
    X(KV_ERR_LEASE_NOT_FOUND, -8, 5, "etcdserver: requested lease not found")                      \
    X(KV_ERR_COMPACTED, -9, 11, "etcdserver: mvcc: required revision has been compacted")          \
    X(KV_ERR_FUTURE, -10, 11, "etcdserver: mvcc: required revision is a future revision")          \
    X(KV_ERR_MALFORMED, -11, 13, "grpc: error unmarshalling request: malformed message")           \
    X(KV_ERR_NO_MEMORY, -12, 8, "etcdserver: too many requests")                                   \
    X(KV_ERR_TOO_LARGE, -13, 8,                                                                    \
      "etcdserver: the answer is too large; ask for less of it (limit, keys_only)")

#define KV_ERROR_ENUM(name, code, status, text) name = (code),
enum kv_error {
    KV_ERROR_MAP(KV_ERROR_ENUM)
};

/* The gRPC status code of an error, and its text. Any other number gives Unknown (2). */
int kv_error_status(int error);
const char *kv_error_text(int error);

enum {
    KV_OPS_MAX = 128,             /* etcd's default for --max-txn-ops. */
    KV_OPS_UNLIMITED = INT32_MAX, /* For what passed its limit before it entered the log. */
    KV_DEPTH_MAX = 128,           /* Levels of nested txns, whatever the limit of operations. */
};

/* -- Requests: etcd's messages, field by field --------------------------------------------- */

enum kv_sort_order {
    KV_SORT_NONE = 0,
    KV_SORT_ASCEND,
    KV_SORT_DESCEND
};
enum kv_sort_target {
    KV_SORT_KEY = 0,
    KV_SORT_VERSION,
    KV_SORT_CREATE,
    KV_SORT_MOD,
    KV_SORT_VALUE,
};

/* range_end: empty: `key` alone; one zero byte: every key from `key` on; else [key, range_end). */
struct kv_range_request {
    struct bytes key;
    struct bytes range_end;
    int64_t limit;            /* <= 0: none. */
    int64_t revision;         /* <= 0: now. */
    int64_t min_mod_revision; /* 0: no filter; the same for the next three. */
    int64_t max_mod_revision;
    int64_t min_create_revision;
    int64_t max_create_revision;
    int32_t sort_order;      /* enum kv_sort_order. */
    int32_t sort_target;     /* enum kv_sort_target. */
    uint64_t answer_max;     /* Bytes that the answer may take, roughly; 0: any. No part of the
                              * message: the caller sets it. The same in the next ones. */
    uint8_t is_serializable; /* The caller's business. */
    uint8_t is_keys_only;
    uint8_t is_count_only;
};

struct kv_put_request {
    struct bytes key;
    struct bytes value;
    int64_t lease;          /* 0: none. */
    uint8_t wants_previous; /* prev_kv. */
    uint8_t ignores_value;  /* Keep the value that is there. */
    uint8_t ignores_lease;  /* Keep the lease that is there. */
};

struct kv_delete_range_request {
    struct bytes key;
    struct bytes range_end;
    uint64_t answer_max;
    uint8_t wants_previous; /* prev_kv. */
};

struct kv_compaction_request {
    int64_t revision;
    uint8_t is_physical; /* Accepted; reclaiming is never waited for, as it cannot be seen. */
};

enum kv_compare_result {
    KV_EQUAL = 0,
    KV_GREATER,
    KV_LESS,
    KV_NOT_EQUAL
};
enum kv_compare_target {
    KV_TARGET_VERSION = 0,
    KV_TARGET_CREATE,
    KV_TARGET_MOD,
    KV_TARGET_VALUE,
    KV_TARGET_LEASE,
};

struct kv_compare {
    struct kv_compare *next;
    struct bytes key;
    struct bytes range_end;
    struct bytes value; /* Compared with where the target is the value. */
    int64_t number;     /* Compared with otherwise. Either is empty or 0 where the request
                         * gave none of the target's kind. */
    int32_t result;     /* enum kv_compare_result; an unknown one always holds, as in etcd. */
    int32_t target;     /* enum kv_compare_target; an unknown one compares 0 with 0. */
};

/* The numbers of the fields of RequestOp and ResponseOp. 0: an empty operation, refused. */
enum kv_op_kind {
    KV_OP_RANGE = 1,
    KV_OP_PUT,
    KV_OP_DELETE_RANGE,
    KV_OP_TXN
};

struct kv_txn_request;
struct kv_response;

/* An operation of a txn. Its txn is found through `branch`, so that the tree of nested txns can
 * be walked without recursion and without a stack (walk.h). */
struct kv_op {
    struct kv_op *next;       /* In its branch. */
    struct kv_branch *branch; /* The branch that holds it. */
    union {                   /* By `kind`. */
        struct kv_range_request *range;
        struct kv_put_request *put;
        struct kv_delete_range_request *delete_range;
        struct kv_txn_request *txn;
    };
    uint32_t kind;     /* enum kv_op_kind; 0: none. */
    uint32_t position; /* Scratch of kv_check_txn(): its number in the order of writing. */
};

struct kv_branch {
    struct kv_op *first; /* NULL: empty. */
    struct kv_op *last;
    struct kv_txn_request *txn; /* The txn that it belongs to. */
    uint32_t count;             /* Operations, nested ones apart. */
    uint32_t end;               /* Scratch of kv_check_txn(): one past its last position. */
    uint32_t deletes;           /* Scratch of kv_check_txn(): own deletions that are open. */
};

struct kv_txn_request {
    struct kv_compare *first_compare; /* All must hold; none: true. */
    struct kv_compare *last_compare;
    struct kv_branch success;
    struct kv_branch failure;
    struct kv_op *parent;         /* The operation that it is; NULL: the request itself. */
    struct kv_txn_request *next;  /* Scratch of the decoder: what to decode after this. */
    struct kv_response *response; /* Scratch of kv_txn(): where its answer goes; NULL: nowhere. */
    struct bytes encoded;         /* Scratch of the decoder. */
    uint64_t answer_max;          /* Of the request itself, for all that is in it. */
    uint32_t compare_count;
    uint32_t depth;        /* Of nesting; 0: the request itself. */
    int32_t ops_left;      /* Scratch of kv_check_txn(): operations it may have. */
    uint8_t has_succeeded; /* Scratch of kv_txn(): which branch is taken. */
};

/* -- Results ------------------------------------------------------------------------------- */

struct kv_range_result {
    int64_t revision;          /* For the header: the store's. */
    int64_t count;             /* Keys in the range, whatever limit and filters say. */
    const struct item **items; /* In the order asked for. In the arena. */
    size_t item_count;
    uint8_t has_more;     /* The limit cut some off. */
    uint8_t is_keys_only; /* Leave the values out. */
};

struct kv_put_result {
    int64_t revision;
    const struct item *previous; /* NULL: not asked for, or the key was absent. */
};

struct kv_delete_range_result {
    int64_t revision;
    int64_t deleted;           /* Keys. */
    const struct item **items; /* What was deleted, where it was asked for. In the arena. */
    size_t item_count;
    int lost; /* 0, or why there is no answer: KV_ERR_TOO_LARGE, KV_ERR_NO_MEMORY. */
};

/* An answer inside a txn's. They stand in one array in the order of writing: each is followed
 * by those nested in it. */
struct kv_response {
    struct kv_response *parent; /* The nested txn that it is in; NULL: the request itself. */
    uint64_t encoded_size;      /* Scratch of the encoder. */
    uint32_t kind;              /* enum kv_op_kind. */
    uint32_t has_succeeded;     /* Of KV_OP_TXN. */
    union {                     /* By `kind`. */
        struct kv_range_result range;
        struct kv_put_result put;
        struct kv_delete_range_result delete_range;
    };
};

struct kv_txn_result {
    int64_t revision;
    struct kv_response *responses; /* In the arena. */
    size_t response_count;
    int lost; /* 0, or why there is no answer: KV_ERR_TOO_LARGE, KV_ERR_NO_MEMORY. */
    uint8_t has_succeeded;
};

struct kv_compaction_result {
    int64_t revision;
};

/* What a command in the log may be; its bytes are the request message of the same name. */
enum kv_command {
    KV_COMMAND_PUT = 1,
    KV_COMMAND_DELETE_RANGE,
    KV_COMMAND_TXN,
    KV_COMMAND_COMPACT,
};

/* What became of a command. */
struct kv_result {
    int error;     /* 0, or a negative enum kv_error; then only `kind` and `term` count. */
    int lost;      /* 0, or a negative enum kv_error: it was applied, and there is no answer. */
    uint32_t kind; /* enum kv_command. */
    uint64_t term; /* Of the command, for the header. */
    union {        /* By `kind`. */
        struct kv_put_result put;
        struct kv_delete_range_result delete_range;
        struct kv_txn_result txn;
        struct kv_compaction_result compaction;
    };
};

/* -- Checks that need no store: what etcd refuses before it proposes anything ----------------- */

/* KV_ERR_EMPTY_KEY; KV_ERR_INVALID_SORT. */
int kv_check_range(const struct kv_range_request *request);

/* KV_ERR_EMPTY_KEY, KV_ERR_VALUE_PROVIDED, KV_ERR_LEASE_PROVIDED. */
int kv_check_put(const struct kv_put_request *request);

/* KV_ERR_EMPTY_KEY. */
int kv_check_delete_range(const struct kv_delete_range_request *request);

/* The errors above for what it holds, KV_ERR_KEY_NOT_FOUND for an empty operation,
 * KV_ERR_TOO_MANY_OPS, KV_ERR_DUPLICATE_KEY, KV_ERR_NO_MEMORY. `ops_max` bounds compares, then
 * and else operations each; a nested txn draws on what its parents left. `arena`: scratch. */
int kv_check_txn(struct kv_txn_request *request, int32_t ops_max, struct arena *arena);

/* True if no branch holds anything but ranges: such a txn needs no place in the log. A nested
 * txn counts as a write, as in etcd. */
int kv_txn_is_read_only(const struct kv_txn_request *request);

/* True if it is read-only and all of its ranges are serializable. */
int kv_txn_is_serializable(const struct kv_txn_request *request);

/* -- The store ----------------------------------------------------------------------------- */

struct kv;

/* An empty store at revision 1, or NULL without memory. */
struct kv *kv_new(void);

/* Free it. No dump may be open. */
void kv_free(struct kv *kv);

/* Each takes a checked request. `result` may be NULL where nobody waits: then the work that
 * only the answer needs is left out. `arena` holds the arrays of the result, and scratch. */

/* KV_ERR_LEASE_NOT_FOUND, KV_ERR_KEY_NOT_FOUND (ignores_*), KV_ERR_NO_MEMORY. */
int kv_put(struct kv *kv, const struct kv_put_request *request, struct kv_put_result *result);

/* KV_ERR_NO_MEMORY; where there is none for the answer alone, that is lost. */
int kv_delete_range(struct kv *kv, const struct kv_delete_range_request *request,
                    struct arena *arena, struct kv_delete_range_result *result);

/* KV_ERR_COMPACTED, KV_ERR_FUTURE, KV_ERR_NO_MEMORY, KV_ERR_TOO_LARGE. Changes nothing. */
int kv_range(const struct kv *kv, const struct kv_range_request *request, struct arena *arena,
             struct kv_range_result *result);

/* The errors of the three above but KV_ERR_TOO_LARGE; where there is no room or memory for the
 * answer alone, that is lost. Changes nothing where the request is read-only. */
int kv_txn(struct kv *kv, struct kv_txn_request *request, struct arena *arena,
           struct kv_txn_result *result);

/* Forget what only readers below `request->revision` could see. KV_ERR_COMPACTED where that was
 * done up to it before, KV_ERR_FUTURE. The memory is given back by and by: kv_reclaim(). */
int kv_compact(struct kv *kv, const struct kv_compaction_request *request,
               struct kv_compaction_result *result);

/* Give back the memory of at most `count` versions that nobody can see any more. Changes
 * nothing that can be seen. Returns how many; 0 too while a dump is open. */
size_t kv_reclaim(struct kv *kv, size_t count);

/* The revision of the last write; 1 at first. */
int64_t kv_revision(const struct kv *kv);

/* The last revision compacted at; -1: never. Reading at it is allowed, below is not. */
int64_t kv_compacted(const struct kv *kv);

struct kv_stats {
    uint64_t keys;          /* Present now. */
    uint64_t versions;      /* Held, tombstones and what waits for kv_reclaim() included. */
    uint64_t live_bytes;    /* Of the newest versions of present keys; equal on all replicas. */
    uint64_t history_bytes; /* Of all the others. */
};

void kv_stats(const struct kv *kv, struct kv_stats *stats);

/* A hash of all that can be read from the store: equal on all replicas that stand at the same
 * revision and compacted at the same one. Reads the whole store. */
uint64_t kv_hash(const struct kv *kv);

/* The same; reads the store only where it has changed since this was asked last. */
uint64_t kv_hash_kept(struct kv *kv);

/* Assert everything that must hold of the store: for tests. Reads the whole store. */
void kv_check(const struct kv *kv);

#endif /* KV_KV_H */
