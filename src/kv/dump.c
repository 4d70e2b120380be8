/* dump.c -- the store as a stream of canonical bytes: snapshots, and the hash of the state.
 *
 * Two stores that answer every request alike give the same bytes: the dump holds what can be
 * read, not what happens to lie in memory. All numbers are little-endian.
 *
 *     head     0  8  "synodkv" and a zero byte
 *              8  4  format, 1
 *             12  4  0
 *             16  8  revision of the store, >= 1
 *             24  8  revision of the last compaction, -1: never
 *
 *     record   0  4  key size; 0: one more version of the key before
 *              4  4  value size
 *              8  4  sub-revision
 *             12  4  flags: 1 a tombstone
 *             16  8  create_revision
 *             24  8  mod_revision
 *             32  8  version
 *             40  8  lease
 *             48  .  key, value
 *
 *     end      a record of flags 2, where 16 is the number of records, 24 the XXH64 of all bytes
 *              before the end record, and everything else 0
 *
 * Order        Keys rise; the versions of a key go from the newest to the oldest.
 * Which        Every version above the compacted revision, and of the others the newest one of
 *              each key unless it is a tombstone. So the oldest of a key is never a tombstone.
 * Validity     What load.c demands: all of the above, sizes within limits, chains that writes
 *              could have made (item_may_follow), the right count and hash, nothing behind. */
#include "kv/dump.h"

#include "base/assert.h"
#include "base/heap.h"
#include "base/mutant.h"
#include "kv/hash.h"
#include "kv/store.h"

const uint8_t dump_magic[DUMP_MAGIC_SIZE] = {'s', 'y', 'n', 'o', 'd', 'k', 'v', 0};

enum {
    PIECES_MAX = 3
}; /* A record, its key, its value. */

struct dump {
    struct kv *kv; /* NULL: a dump that is made and used up in one call. */
    struct tree_frozen frozen;
    struct tree_cursor cursor;
    const struct item *item;         /* The version written last; NULL: a new key comes next. */
    struct bytes pieces[PIECES_MAX]; /* What is being written. */
    struct hash hash;
    struct bytes fresh; /* Written and not yet added to the hash: where, and so many. */
    uint64_t digest;    /* Of everything before the end record, once it is known. */
    uint64_t record_count;
    int64_t compacted;
    uint32_t piece;                 /* The one being written; PIECES_MAX: none. */
    uint8_t is_ended;               /* The end record is in the pieces, or past. */
    uint8_t head[DUMP_RECORD_SIZE]; /* Room for the first piece. */
};

/* Set up to write `size` bytes of dump->head, then the others. */
static void set_pieces(struct dump *dump, size_t size, struct bytes key, struct bytes value)
{
    assert(bytes_is_whole(key) && bytes_is_whole(value));
    assert(size > 0);
    assert(size <= sizeof dump->head);
    dump->pieces[0] = bytes_of(dump->head, size);
    dump->pieces[1] = key;
    dump->pieces[2] = value;
    dump->piece = 0;
}

static void set_record(struct dump *dump, const struct item *item, int is_new_key)
{
    const struct bytes key = is_new_key ? item_key(item) : bytes_of(NULL, 0);
    uint8_t *head = dump->head;

    assert(item->key_size > 0);
    assert(item->mod_revision >= 2);
    put_u32(head, (uint32_t)key.size);
    put_u32(head + 4, item->value_size);
    put_u32(head + 8, item->sub);
    put_u32(head + 12, item_is_tombstone(item) ? DUMP_TOMBSTONE : 0);
    put_u64(head + 16, (uint64_t)item->create_revision);
    put_u64(head + 24, (uint64_t)item->mod_revision);
    put_u64(head + 32, (uint64_t)item->version);
    put_u64(head + 40, (uint64_t)item->lease);
    set_pieces(dump, DUMP_RECORD_SIZE, key, item_value(item));
    __builtin_prefetch(item->older); /* It is next, unless it is garbage. */
    dump->record_count++;
}

/* Hashing takes long runs of bytes several times as fast as short ones. */
static void hash_fresh(struct dump *dump)
{
    assert(bytes_is_whole(dump->fresh));
    hash_add(&dump->hash, dump->fresh.data, dump->fresh.size);
    dump->fresh = bytes_of(NULL, 0);
}

static void set_end(struct dump *dump)
{
    assert(!dump->is_ended);
    assert(dump->item == NULL);
    hash_fresh(dump);
    dump->digest = hash_value(&dump->hash);
    memset(dump->head, 0, sizeof dump->head);
    put_u32(dump->head + 12, DUMP_END);
    put_u64(dump->head + 16, dump->record_count);
    put_u64(dump->head + 24, dump->digest);
    set_pieces(dump, DUMP_RECORD_SIZE, bytes_of(NULL, 0), bytes_of(NULL, 0));
    dump->is_ended = 1;
}

/* True if a reader can see the version, or sees by it that the key is absent. */
static int is_visible(const struct dump *dump, const struct item *item)
{
    assert(dump->compacted >= -1);
    assert(item != NULL);
    return (item->mod_revision > dump->compacted && !MUTANT(46)) || !item_is_tombstone(item);
}

/* Set up the next record. What is older than a version that is not above the compacted revision
 * is garbage, if it is there at all, and is not looked at. */
static void advance(struct dump *dump)
{
    const struct item *before = dump->item;

    assert(!dump->is_ended);
    assert(dump->piece == PIECES_MAX);
    if (before != NULL && before->mod_revision > dump->compacted && before->older != NULL &&
        is_visible(dump, before->older)) {
        dump->item = before->older;
        set_record(dump, dump->item, 0);
        return;
    }
    do {
        dump->item = tree_next(&dump->cursor);
        if (dump->item == NULL) {
            set_end(dump);
            return;
        }
    } while (!is_visible(dump, dump->item));
    set_record(dump, dump->item, 1);
}

/* Begin at the head, with a cursor at `root`. */
static void begin(struct dump *dump, const struct kv *kv, const struct tree_node *root)
{
    assert(kv->revision >= 1);
    assert(kv->changes == 0);
    dump->item = NULL;
    dump->record_count = 0;
    dump->compacted = kv->compacted;
    dump->is_ended = 0;
    hash_begin(&dump->hash);
    memcpy(dump->head, dump_magic, DUMP_MAGIC_SIZE);
    put_u32(dump->head + 8, DUMP_FORMAT);
    put_u32(dump->head + 12, 0);
    put_u64(dump->head + 16, (uint64_t)kv->revision);
    put_u64(dump->head + 24, (uint64_t)kv->compacted);
    set_pieces(dump, DUMP_HEAD_SIZE, bytes_of(NULL, 0), bytes_of(NULL, 0));
    tree_seek(&dump->cursor, root, bytes_of(NULL, 0));
}

struct dump *dump_open(struct kv *kv)
{
    struct dump *dump = heap_allocate(sizeof *dump);
    assert(!kv->is_orphan);
    if (dump == NULL) {
        return NULL;
    }
    dump->kv = kv;
    kv->dumps++;
    tree_freeze(&kv->tree, &dump->frozen);
    begin(dump, kv, dump->frozen.root);
    return dump;
}

size_t dump_read(struct dump *dump, void *to, size_t size)
{
    uint8_t *at = to;
    size_t left = size;

    assert(dump->piece <= PIECES_MAX);
    assert(to != NULL || size == 0);
    dump->fresh = bytes_of(to, 0);
    while (left > 0) {
        if (dump->piece == PIECES_MAX) {
            if (dump->is_ended) {
                break;
            }
            advance(dump);
        }
        struct bytes *piece = &dump->pieces[dump->piece];
        const size_t copied = piece->size < left ? piece->size : left;
        if (copied > 0) {
            memcpy(at, piece->data, copied);
            dump->fresh.size += copied;
            *piece = bytes_of(piece->data + copied, piece->size - copied);
            at += copied;
            left -= copied;
        }
        if (piece->size == 0) {
            dump->piece++;
        }
    }
    if (!dump->is_ended) {
        hash_fresh(dump);
    }
    return size - left;
}

void dump_close(struct dump *dump)
{
    struct kv *kv = dump->kv;

    assert(dump->frozen.epoch > 0);
    assert(kv->dumps > 0);
    tree_thaw(&kv->tree, &dump->frozen);
    kv->dumps--;
    heap_release(dump);
    if (kv->is_orphan && kv->dumps == 0) {
        kv_free(kv);
    }
}

uint64_t kv_hash(const struct kv *kv)
{
    struct dump dump = {.kv = NULL};
    uint8_t bytes[4096];

    assert(kv->compacted <= kv->revision);
    begin(&dump, kv, kv->tree.root);
    while (dump_read(&dump, bytes, sizeof bytes) > 0) {
        /* The reading itself is what hashes. */
    }
    assert(dump.is_ended);
    return dump.digest;
}

uint64_t kv_hash_kept(struct kv *kv)
{
    struct kept_hash *kept = &kv->hash;

    assert(kv->changes == 0);
    assert(kv->revision >= 1);
    if (kept->revision != kv->revision || kept->compacted != kv->compacted ||
        kept->versions != kv->stats.versions) {
        *kept = (struct kept_hash){.value = kv_hash(kv),
                                   .revision = kv->revision,
                                   .compacted = kv->compacted,
                                   .versions = kv->stats.versions};
    }
    return kept->value;
}
