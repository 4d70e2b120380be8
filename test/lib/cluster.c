/* cluster.c -- a few real cores, with the network, the disks and the clock in one hand. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* -- Beginning and end -------------------------------------------------------------------- */

void cluster_init(struct cluster *c, const struct synod_options *options)
{
    assert(options->entries_max <= CLUSTER_ENTRIES_MAX);
    *c = (struct cluster){.options = *options, .prng = {.state = options->seed}};
    c->now_ms = 1; /* To the core, the time 0 means never. */
    for (uint32_t i = 0; i < options->members.count; i++) {
        assert(options->members.ids[i] == i + 1);
    }
    judge_init(&c->judge, &c->options.members);
}

void cluster_deinit(struct cluster *c)
{
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        free(c->members[i].core);
        free(c->members[i].effects);
        free(c->members[i].records);
    }
    free(c->packets);
    judge_deinit(&c->judge);
}

static void note(struct cluster *c, struct cluster_note note)
{
    if (c->observer != NULL) {
        c->observer(c->observer_context, &note);
    }
}

/* -- Disks -------------------------------------------------------------------------------- */

static void append_record(struct cluster *c, uint32_t member, const struct synod_record *record)
{
    struct cluster_member *m = &c->members[member];
    if (m->record_count == m->record_capacity) {
        m->record_capacity = m->record_capacity == 0 ? 64 : 2 * m->record_capacity;
        m->records = realloc(m->records, m->record_capacity * sizeof *m->records);
        assert(m->records != NULL);
    }
    m->records[m->record_count++] = *record;
    note(c, (struct cluster_note){CLUSTER_RECORDED, .member = member, .record = record});
}

/* A record reaches the disk: from now on it counts. */
static void make_durable(struct cluster *c, uint32_t member, const struct synod_record *record)
{
    if (record->type == SYNOD_RECORD_PROMISE) {
        judge_on_promise(&c->judge, member, record->ballot);
    } else if (record->type == SYNOD_RECORD_VOTE) {
        const int was_chosen = judge_chosen(&c->judge, record->entry.slot, NULL, NULL) != NULL;
        judge_on_vote(&c->judge, member, record->ballot, &record->entry);
        const struct synod_entry *chosen = judge_chosen(&c->judge, record->entry.slot, NULL, NULL);
        if (!was_chosen && chosen != NULL) {
            note(c, (struct cluster_note){CLUSTER_CHOSEN, .member = member, .entry = chosen});
        }
    }
}

void cluster_snapshot(struct cluster *c, uint32_t member)
{
    struct cluster_member *m = &c->members[member];
    uint32_t kept = 0;
    uint32_t durable = 0;
    struct synod_record last_promise = {0};
    for (uint32_t i = 0; i < m->durable_count; i++) {
        if (m->records[i].type == SYNOD_RECORD_PROMISE) {
            last_promise = m->records[i];
        }
    }
    m->snapshot = m->applied;
    for (uint32_t i = 0; i < m->record_count; i++) {
        struct synod_record record = m->records[i];
        const int has_slot =
            record.type == SYNOD_RECORD_VOTE || record.type == SYNOD_RECORD_LEARNED;
        const int is_old = i < m->durable_count &&
                           ((has_slot && record.entry.slot <= m->snapshot) ||
                            (record.type == SYNOD_RECORD_CHOSEN && record.chosen <= m->snapshot) ||
                            (record.type == SYNOD_RECORD_PROMISE &&
                             synod_ballot_compare(record.ballot, last_promise.ballot) < 0));
        if (!is_old) {
            m->records[kept++] = record;
            durable += i < m->durable_count;
        }
    }
    m->record_count = kept;
    m->durable_count = durable;
}

/* -- The network -------------------------------------------------------------------------- */

static void remove_packet(struct cluster *c, uint32_t packet)
{
    assert(packet < c->packet_count);
    c->packets[packet] = c->packets[--c->packet_count];
}

static struct cluster_packet *new_packet(struct cluster *c)
{
    if (c->packet_count == CLUSTER_PACKETS_MAX) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < c->packet_count; i++) {
            const int is_own = c->packets[i].message.from == c->packets[i].message.to;
            oldest = !is_own && c->packets[i].id < c->packets[oldest].id ? i : oldest;
        }
        remove_packet(c, oldest);
    }
    if (c->packet_count == c->packet_capacity) {
        c->packet_capacity = c->packet_capacity == 0 ? 32 : 2 * c->packet_capacity;
        c->packets = realloc(c->packets, c->packet_capacity * sizeof *c->packets);
        assert(c->packets != NULL);
    }
    struct cluster_packet *packet = &c->packets[c->packet_count++];
    packet->id = c->next_packet++;
    packet->due_ms = c->now_ms + 1 + prng_below(&c->prng, 5);
    packet->is_held = 0;
    packet->is_snapshot = 0;
    return packet;
}

void cluster_send(struct cluster *c, const struct synod_message *message)
{
    struct cluster_packet *packet = new_packet(c);
    assert(message->entry_count <= CLUSTER_ENTRIES_MAX);
    assert(message->vote_count <= CLUSTER_ENTRIES_MAX);
    packet->message = *message;
    if (message->entry_count > 0) {
        memcpy(packet->entries, message->entries, message->entry_count * sizeof *packet->entries);
    }
    if (message->vote_count > 0) {
        memcpy(packet->votes, message->votes, message->vote_count * sizeof *packet->votes);
    }
}

/* What a message says about its sender's disk must be true when it leaves. */
static void check_rests(struct cluster *c, uint32_t member, const struct cluster_packet *packet)
{
    const struct synod_message *message = &packet->message;
    struct cluster_member *m = &c->members[member];
    if (message->type != SYNOD_MESSAGE_PREPARE && message->type != SYNOD_MESSAGE_PROMISE &&
        message->type != SYNOD_MESSAGE_ACCEPTED) {
        return;
    }
    assert(synod_ballot_compare(c->judge.promised[member], message->ballot) >= 0);
    for (uint32_t i = 0; i < message->vote_count; i++) {
        const struct synod_vote *vote = &packet->votes[i];
        assert(vote->is_chosen ||
               judge_has_vote(&c->judge, member, vote->ballot, vote->entry.slot));
    }
    for (uint32_t i = 0; i < message->entry_count; i++) {
        assert(judge_has_vote(&c->judge, member, message->ballot, packet->entries[i].slot));
    }
    if (message->type == SYNOD_MESSAGE_PREPARE) {
        const uint64_t life = message->ballot.incarnation >> 32;
        assert(message->ballot.member == member + 1 && life == m->lives);
    }
    if (synod_ballot_compare(message->ballot, m->told) > 0) {
        m->told = message->ballot;
    }
}

/* Send what a core has said; what names a record that is not durable waits for it. */
static void send_messages(struct cluster *c, uint32_t member, synod_lsn durable)
{
    const struct synod_effects *effects = c->members[member].effects;
    for (uint32_t i = 0; i < effects->message_count; i++) {
        const struct synod_message *message = &effects->messages[i];
        cluster_send(c, message);
        struct cluster_packet *packet = &c->packets[c->packet_count - 1];
        packet->is_held = message->after_lsn > durable;
        if (!packet->is_held) {
            check_rests(c, member, packet);
        }
        if (message->type == SYNOD_MESSAGE_ACCEPT) {
            for (uint32_t k = 0; k < message->entry_count; k++) {
                judge_on_proposal(&c->judge, message->ballot, &message->entries[k]);
            }
        }
    }
}

/* Old entries from the applied log, or, where records are gone, the whole state. */
static void serve(struct cluster *c, uint32_t member, const struct synod_serve *wish)
{
    const struct cluster_member *m = &c->members[member];
    struct synod_entry entries[CLUSTER_ENTRIES_MAX];
    struct synod_message learn = {
        .type = SYNOD_MESSAGE_LEARN,
        .from = member + 1,
        .to = wish->to,
        .view = c->options.view,
        .chosen = m->applied,
        .entries = entries,
    };
    if (wish->slot <= m->snapshot) {
        cluster_send(c, &learn);
        c->packets[c->packet_count - 1].is_snapshot = 1;
        return;
    }
    for (synod_slot slot = wish->slot;
         slot <= m->applied && learn.entry_count < c->options.entries_max; slot++) {
        entries[learn.entry_count++] = *judge_chosen(&c->judge, slot, NULL, NULL);
    }
    cluster_send(c, &learn);
}

static void lose_packet(struct cluster *c, uint32_t packet)
{
    const struct cluster_packet *lost = &c->packets[packet];
    note(c, (struct cluster_note){CLUSTER_LOST, .member = (uint32_t)lost->message.from - 1,
                                  .message = &lost->message});
    remove_packet(c, packet);
}

void cluster_lose(struct cluster *c, uint32_t packet)
{
    assert(!c->packets[packet].is_held);
    c->packets[packet].message.entries = c->packets[packet].entries;
    c->packets[packet].message.votes = c->packets[packet].votes;
    lose_packet(c, packet);
}

static void install_snapshot(struct cluster *c, uint32_t member, synod_slot slot)
{
    struct cluster_member *m = &c->members[member];
    if (slot > m->applied) {
        m->snapshot = slot;
        m->applied = slot;
        (void)cluster_step(c, member,
                           (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = slot});
    }
}

void cluster_deliver(struct cluster *c, uint32_t packet, int is_kept)
{
    assert(packet < c->packet_count && !c->packets[packet].is_held);
    struct cluster_packet copy = c->packets[packet]; /* Steps move the array. */
    const uint32_t from = (uint32_t)copy.message.from - 1;
    const uint32_t to = (uint32_t)copy.message.to - 1;
    if ((c->cut[from] & 1u << to) != 0 || c->members[to].core == NULL) {
        cluster_lose(c, packet);
        return;
    }
    if (!is_kept) {
        remove_packet(c, packet);
    }
    copy.message.entries = copy.entries;
    copy.message.votes = copy.votes;
    note(c, (struct cluster_note){CLUSTER_DELIVERED, .member = to, .message = &copy.message});
    if (copy.is_snapshot) {
        install_snapshot(c, to, copy.message.chosen);
        return;
    }
    struct synod_options options = c->options;
    options.self = to + 1;
    assert(synod_message_is_valid(&copy.message, &options));
    const int outcome = cluster_step(
        c, to, (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &copy.message});
    assert(outcome == 0); /* No member contradicts what another knows. */
}

/* -- Steps -------------------------------------------------------------------------------- */

static void apply(struct cluster *c, uint32_t member)
{
    struct cluster_member *m = &c->members[member];
    for (uint32_t i = 0; i < m->effects->chosen_count; i++) {
        const struct synod_entry *entry = &m->effects->chosen[i];
        const struct synod_entry *chosen = judge_chosen(&c->judge, entry->slot, NULL, NULL);
        assert(entry->slot == m->applied + 1);
        assert(chosen != NULL && synod_entry_equal(chosen, entry));
        assert(chosen->handle == entry->handle);
        m->applied = entry->slot;
        c->applied = entry->slot > c->applied ? entry->slot : c->applied;
        note(c, (struct cluster_note){CLUSTER_APPLIED, .member = member, .entry = entry});
    }
}

static void answer_reads(struct cluster *c, uint32_t member)
{
    struct cluster_member *m = &c->members[member];
    for (uint32_t i = 0; i < m->effects->read_count; i++) {
        for (uint32_t k = 0; k < CLUSTER_READS_MAX; k++) {
            struct cluster_read *read = &m->reads[k];
            if (read->id == m->effects->reads[i].id && !read->is_answered) {
                read->is_answered = 1;
                read->index = m->effects->reads[i].index;
                assert(read->index >= read->floor);
                note(c, (struct cluster_note){CLUSTER_READ, .member = member, .read = read});
            }
        }
    }
}

static synod_lsn durable_lsn(const struct cluster_member *m)
{
    if (m->durable_count == m->record_count) {
        return UINT64_MAX;
    }
    return m->records[m->durable_count].lsn - 1;
}

int cluster_step(struct cluster *c, uint32_t member, struct synod_event event)
{
    struct cluster_member *m = &c->members[member];
    assert(m->core != NULL);
    event.now_ms = c->now_ms;
    const int outcome = synod_core_step(m->core, &event, m->effects);
    note(c, (struct cluster_note){CLUSTER_STEPPED, .member = member, .event = &event,
                                  .effects = m->effects});
    m->proposed = event.type == SYNOD_EVENT_PROPOSE ? m->effects->proposed : m->proposed;
    m->wake_at_ms = m->effects->wake_at_ms;
    for (uint32_t i = 0; i < m->effects->record_count; i++) {
        append_record(c, member, &m->effects->records[i]);
    }
    send_messages(c, member, durable_lsn(m));
    apply(c, member);
    answer_reads(c, member);
    for (uint32_t i = 0; i < m->effects->serve_count; i++) {
        serve(c, member, &m->effects->serves[i]);
    }
    synod_core_check(m->core);

    struct synod_status status;
    synod_core_status(m->core, &status);
    assert(m->is_restoring || synod_ballot_compare(status.promised, m->told) >= 0);
    if (synod_ballot_compare(status.leader, m->leader) != 0 || status.role != m->role) {
        const enum synod_role was = m->role;
        m->leader = status.leader;
        m->role = status.role;
        note(c, (struct cluster_note){CLUSTER_ROLE, .member = member, .was = was});
    }
    if ((c->is_disk_slow & 1u << member) == 0 && !m->is_restoring) {
        cluster_flush(c, member, UINT32_MAX);
    }
    return outcome;
}

void cluster_tick(struct cluster *c, uint32_t member)
{
    (void)cluster_step(c, member, (struct synod_event){.type = SYNOD_EVENT_TICK});
}

int64_t cluster_propose(struct cluster *c, uint32_t member, uint64_t value, uint32_t wants_notice)
{
    const struct synod_entry entry = {.kind = SYNOD_ENTRY_VALUE,
                                      .size = 8 + (uint32_t)(value % 24),
                                      .checksum = value,
                                      .handle = value};
    assert(value != 0);
    const int error = cluster_step(c, member,
                                   (struct synod_event){.type = SYNOD_EVENT_PROPOSE,
                                                        .entry = &entry,
                                                        .wants_notice = wants_notice});
    return error != 0 ? error : (int64_t)c->members[member].proposed;
}

int cluster_read(struct cluster *c, uint32_t member)
{
    struct cluster_member *m = &c->members[member];
    const uint32_t position = m->read_count % CLUSTER_READS_MAX;
    const uint64_t id = m->read_count + 1;
    m->reads[position] = (struct cluster_read){.id = id, .floor = c->applied};
    m->read_count++;
    return cluster_step(c, member, (struct synod_event){.type = SYNOD_EVENT_READ, .id = id});
}

void cluster_flush(struct cluster *c, uint32_t member, uint32_t count)
{
    struct cluster_member *m = &c->members[member];
    const uint32_t waiting = m->record_count - m->durable_count;
    const uint32_t flushed = count < waiting ? count : waiting;
    if (flushed == 0) {
        return;
    }
    for (uint32_t i = 0; i < flushed; i++) {
        make_durable(c, member, &m->records[m->durable_count++]);
    }
    const synod_lsn lsn = m->records[m->durable_count - 1].lsn;
    for (uint32_t i = 0; i < c->packet_count; i++) {
        struct cluster_packet *packet = &c->packets[i];
        if (packet->is_held && packet->message.from == member + 1 &&
            packet->message.after_lsn <= lsn) {
            packet->is_held = 0;
            check_rests(c, member, packet);
        }
    }
    (void)cluster_step(c, member, (struct synod_event){.type = SYNOD_EVENT_DURABLE, .lsn = lsn});
}

/* -- Lives -------------------------------------------------------------------------------- */

void cluster_start(struct cluster *c, uint32_t member)
{
    struct cluster_member *m = &c->members[member];
    struct synod_options options = c->options;
    assert(m->core == NULL);
    options.self = member + 1;
    options.seed = prng_next(&c->prng);
    m->core = synod_core_init(calloc(1, synod_core_size(&options)), &options);
    m->effects = synod_effects_init(calloc(1, synod_effects_size(&options)), &options);
    m->lives++;
    m->applied = m->snapshot;
    m->leader = (struct synod_ballot){0};
    m->role = SYNOD_ROLE_FOLLOWER;
    m->read_count = 0;
    memset(m->reads, 0, sizeof m->reads);

    m->is_restoring = 1;
    if (m->snapshot > 0) {
        (void)cluster_step(c, member,
                           (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = m->snapshot});
    }
    for (uint32_t i = 0; i < m->record_count; i++) {
        const int error = cluster_step(
            c, member, (struct synod_event){.type = SYNOD_EVENT_RESTORE, .record = &m->records[i]});
        assert(error == 0);
    }
    m->is_restoring = 0;
    const uint64_t incarnation = m->lives << 32 | (prng_next(&c->prng) & UINT32_MAX);
    (void)cluster_step(c, member,
                       (struct synod_event){.type = SYNOD_EVENT_START, .id = incarnation});
}

void cluster_crash(struct cluster *c, uint32_t member)
{
    struct cluster_member *m = &c->members[member];
    assert(m->core != NULL);
    free(m->core);
    free(m->effects);
    m->core = NULL;
    m->effects = NULL;
    m->record_count = m->durable_count;
    for (uint32_t i = c->packet_count; i-- > 0;) {
        const struct synod_message *message = &c->packets[i].message;
        const int is_own = message->from == message->to;
        if (message->from == member + 1 && (is_own || c->packets[i].is_held)) {
            remove_packet(c, i);
        }
    }
}

/* -- Running by itself -------------------------------------------------------------------- */

/* The packet that arrives next among those that `is_own` or not, or -1. */
static int next_packet(const struct cluster *c, int is_own, uint64_t due_ms)
{
    int next = -1;
    for (uint32_t i = 0; i < c->packet_count; i++) {
        const struct cluster_packet *packet = &c->packets[i];
        if (packet->is_held || (packet->message.from == packet->message.to) != is_own ||
            packet->due_ms > due_ms) {
            continue;
        }
        if (next < 0 || packet->due_ms < c->packets[next].due_ms ||
            (packet->due_ms == c->packets[next].due_ms && packet->id < c->packets[next].id)) {
            next = (int)i;
        }
    }
    return next;
}

void cluster_deliver_own(struct cluster *c)
{
    int packet;
    while ((packet = next_packet(c, 1, UINT64_MAX)) >= 0) {
        cluster_deliver(c, (uint32_t)packet, 0);
    }
}

/* Give every core that asked to be woken by now its tick. A core that asks again and again
 * without an end to it spins, and would burn a processor. */
static void tick_the_woken(struct cluster *c)
{
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        struct cluster_member *m = &c->members[i];
        for (uint32_t turns = 0; m->core != NULL && m->wake_at_ms <= c->now_ms; turns++) {
            assert(turns < 1000);
            cluster_tick(c, i);
            cluster_deliver_own(c);
        }
    }
}

void cluster_run(struct cluster *c, uint64_t until_ms)
{
    for (;;) {
        int packet;
        cluster_deliver_own(c);
        while ((packet = next_packet(c, 0, c->now_ms)) >= 0) {
            cluster_deliver(c, (uint32_t)packet, 0);
            cluster_deliver_own(c);
        }
        tick_the_woken(c);
        if (c->now_ms >= until_ms) {
            return;
        }
        packet = next_packet(c, 0, UINT64_MAX);
        uint64_t next = packet >= 0 ? c->packets[packet].due_ms : until_ms;
        for (uint32_t i = 0; i < c->options.members.count; i++) {
            if (c->members[i].core != NULL && c->members[i].wake_at_ms < next) {
                next = c->members[i].wake_at_ms;
            }
        }
        next = next > c->now_ms ? next : c->now_ms + 1;
        c->now_ms = next < until_ms ? next : until_ms;
    }
}

int cluster_leader(const struct cluster *c)
{
    struct synod_ballot best = {0};
    int leader = -1;
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        struct synod_status status;
        if (c->members[i].core == NULL) {
            continue;
        }
        synod_core_status(c->members[i].core, &status);
        if (status.role == SYNOD_ROLE_LEADER && synod_ballot_compare(status.leader, best) > 0) {
            best = status.leader;
            leader = (int)i;
        }
    }
    return leader;
}
