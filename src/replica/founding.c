/* founding.c -- from a list of addresses to a table of identities that all members hold.
 *
 * A member is its data directory: an identity drawn at random when the directory is made. A new
 * cluster must agree on whose identities vote before anybody votes, or a member whose disk was
 * wiped during the founding could vote twice, once under each identity:
 *
 *   1. each member makes its identity durable, and tells it with every connection it makes;
 *   2. who has heard the identities of all makes the table of them durable, once, and never
 *      another, and from then on tells the table's hash too;
 *   3. who has heard that hash from every member, or hears somebody vote, begins to vote.
 *
 * So when anybody votes, every member's disk holds this table, and a directory that is wiped
 * later comes back with an identity that is not in it: it is refused, and has no vote. The hash
 * is the cluster's id.
 *
 * The table: u32 count, then for each member in order of its address: u64 identity, u32 length
 * of the address, the address. Names are not in it; they may change. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/records.h"
#include "replica/replica_internal.h"

/* The members' indices in order of their addresses. */
static void sort_members(const struct replica *r, uint32_t order[SYNOD_MEMBERS_MAX])
{
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        uint32_t at = i;
        while (at > 0 && strcmp(r->members[order[at - 1]].address, r->members[i].address) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

/* Clusters with other members or another token do not talk to each other by mistake. */
uint64_t founding_cluster_key(const struct replica *r)
{
    uint32_t order[SYNOD_MEMBERS_MAX];
    uint64_t key = value_checksum(bytes_of_text(r->options.token));
    sort_members(r, order);
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        uint64_t both[2] = {key, value_checksum(bytes_of_text(r->members[order[i]].address))};
        key = value_checksum(bytes_of(both, sizeof both));
    }
    return key;
}

static int append_number(struct buffer *buffer, uint64_t number, size_t size)
{
    uint8_t bytes[8];
    put_u64(bytes, number);
    return buffer_append(buffer, bytes, size);
}

/* Step 2: all identities are known. */
static void make_table(struct replica *r)
{
    uint32_t order[SYNOD_MEMBERS_MAX];
    int failed = append_number(&r->table, r->options.member_count, 4);
    sort_members(r, order);
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        const struct member *member = &r->members[order[i]];
        const struct bytes address = bytes_of_text(member->address);
        failed |= append_number(&r->table, member->id, 8);
        failed |= append_number(&r->table, address.size, 4);
        failed |= buffer_append(&r->table, address.data, address.size);
    }
    if (failed != 0) {
        replica_fail_memory(r, "the table of members");
        return;
    }
    r->table_hash = value_checksum(buffer_bytes(&r->table));
    wal_found(r->wal, r->table_hash);
    r->table_lsn = records_append_own(r->wal, RECORD_TABLE, buffer_bytes(&r->table));
    wal_flush(r->wal);
}

static uint64_t take_number(struct bytes *rest, size_t size)
{
    uint8_t bytes[8] = {0};
    if (rest->size < size) {
        rest->size = 0;
        return 0;
    }
    memcpy(bytes, rest->data, size);
    rest->data += size;
    rest->size -= size;
    return get_u64(bytes);
}

/* Read r->table, as an earlier life recorded it. The addresses must be those that we were started
 * with: the identities in it are of just these members. Returns 0, SYNOD_ERR_CORRUPT or
 * SYNOD_ERR_FOREIGN. */
int founding_read_table(struct replica *r)
{
    const struct bytes body = buffer_bytes(&r->table);
    struct bytes rest = body;
    const uint64_t count = take_number(&rest, 4);
    if (count != r->options.member_count) {
        return SYNOD_ERR_FOREIGN;
    }
    for (uint64_t i = 0; i < count; i++) {
        const synod_member_id id = take_number(&rest, 8);
        const uint64_t size = take_number(&rest, 4);
        if (id == 0 || size == 0 || size > rest.size) {
            return SYNOD_ERR_CORRUPT;
        }
        struct member *found = NULL;
        for (uint32_t j = 0; j < count; j++) {
            if (bytes_equal(bytes_of_text(r->members[j].address), bytes_of(rest.data, size))) {
                found = &r->members[j];
            }
        }
        if (found == NULL) {
            return SYNOD_ERR_FOREIGN;
        }
        found->id = id;
        rest = bytes_of(rest.data + size, rest.size - size);
    }
    if (rest.size != 0) {
        return SYNOD_ERR_CORRUPT;
    }
    if (r->members[r->options.self].id != r->identity) {
        return SYNOD_ERR_FOREIGN;
    }
    r->table_hash = value_checksum(body);
    r->is_table_durable = 1;
    return 0;
}

/* A member says who it is. */
const char *founding_on_hello(void *context, uint32_t peer, const struct peer_hello *hello)
{
    struct replica *r = context;
    struct member *member = &r->members[r->member_of_peer[peer]];

    if (hello->member == 0) {
        return "it has no identity";
    }
    if (hello->member == r->identity) {
        return "it has this member's own identity: its data directory is a copy";
    }
    if (r->table_hash != 0) {
        if (hello->member != member->id) {
            return "its data directory is not the one with which this cluster was founded: it "
                   "was wiped or replaced";
        }
        if (hello->table_hash != 0 && hello->table_hash != r->table_hash) {
            return "it was founded with other members";
        }
    }
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        if (&r->members[i] != member && r->members[i].id == hello->member) {
            return "it has the identity of another member: its data directory is a copy";
        }
    }
    member->id = hello->member;
    member->said_table = hello->table_hash;
    return NULL;
}

static int all_are_known(const struct replica *r)
{
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        if (r->members[i].id == 0) {
            return 0;
        }
    }
    return 1;
}

/* Who votes has heard it from all. So to hear that one votes is as good, and no link to any one of
 * them need last until then. */
static int all_hold_the_table(const struct replica *r)
{
    if (r->is_vote_heard) {
        return 1;
    }
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        if (i != r->options.self && r->members[i].said_table != r->table_hash) {
            return 0;
        }
    }
    return 1;
}

static void begin_life(struct replica *r)
{
    r->phase = PHASE_RUNNING;
    log_write(LOG_INFO, "running",
              (struct log_field[]){log_u64("members", r->options.member_count),
                                   log_u64("applied", r->applied),
                                   {0}});
    (void)drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_START, .id = replica_life(r)});
    if (r->phase == PHASE_RUNNING) {
        r->events->on_running(r->context);
    }
}

/* One of the steps may have become possible: something is durable, or somebody was heard. */
void founding_advance(struct replica *r)
{
    if (r->phase == PHASE_OPENING && wal_durable(r->wal) >= r->opening_lsn) {
        struct report report;
        r->phase = PHASE_FOUNDING; /* Only now may anybody hear of this identity, this life. */
        if (replica_open_peers(r, &report) != 0) {
            replica_fail(r, &report);
        }
    }
    if (r->phase != PHASE_FOUNDING) {
        return;
    }
    if (r->table_hash == 0 && all_are_known(r)) {
        make_table(r);
        return;
    }
    if (r->table_hash == 0) {
        return;
    }
    if (!r->is_table_durable && (wal_durable(r->wal) >= r->table_lsn || MUTANT(141))) {
        r->is_table_durable = 1;
        struct report report;
        if (r->core == NULL && recover_core(r, &report) != 0) {
            replica_fail(r, &report);
            return;
        }
        if (r->peers != NULL) {
            peers_set_identity(r->peers, r->identity, r->table_hash, 0);
        }
    }
    if (!r->is_table_durable) {
        return;
    }
    if (!r->was_running && r->running_lsn == 0 && all_hold_the_table(r)) {
        r->running_lsn = records_append_own(r->wal, RECORD_RUNNING, (struct bytes){0});
        wal_flush(r->wal);
    }
    if (r->was_running || (r->running_lsn != 0 && wal_durable(r->wal) >= r->running_lsn)) {
        r->was_running = 1;
        begin_life(r);
    }
}

void founding_on_message(struct replica *r)
{
    if (r->is_table_durable && !r->is_vote_heard && !MUTANT(96)) {
        MARK("founding: hears of its end from a member that votes");
        r->is_vote_heard = 1;
        founding_advance(r);
    }
}

/* Whoever is still waited for may have gone without our hearing of it: a connection on which
 * nothing is ever sent would look alive for ever. */
void founding_tick(struct replica *r)
{
    for (uint32_t i = 0; i < r->options.member_count && r->peers != NULL; i++) {
        if (i != r->options.self) {
            (void)peers_send(r->peers, r->members[i].peer, (struct peer_frame){.type = FRAME_ALIVE},
                             NULL, 0);
        }
    }
}
