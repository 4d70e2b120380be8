/* learner.c -- what is known to be chosen, and handing it out in order. */
#include "paxos/learner.h"

#include "base/assert.h"
#include "base/mark.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "synod/error.h"

static struct learned *ring_at(const struct learner *l, synod_slot slot)
{
    assert(l->window > 0 && (l->window & (l->window - 1)) == 0);
    assert(l->ring_offset >= sizeof *l);
    struct learned *ring = (void *)((char *)(uintptr_t)l + l->ring_offset);
    return &ring[slot & (l->window - 1)];
}

void learner_init(struct learner *l, uint32_t window, uint32_t ring_offset)
{
    assert(window > 0 && (window & (window - 1)) == 0);
    assert(((uintptr_t)l + ring_offset) % _Alignof(struct learned) == 0);
    *l = (struct learner){.window = window, .ring_offset = ring_offset};
    memset(ring_at(l, 0), 0, window * sizeof(struct learned));
}

const struct synod_entry *learner_at(const struct learner *l, synod_slot slot)
{
    assert(slot > 0); /* Every empty place would answer to 0. */
    const struct learned *learned = ring_at(l, slot);
    assert(learned->entry.slot <= l->last);
    return slot > l->chosen && learned->entry.slot == slot ? &learned->entry : NULL;
}

/* Paxos Made Simple, 2.1: only a single value is chosen. Were two, this is where the first
 * replica to hear of both would notice. But all that we know of it is what others told us, and
 * one that is broken may tell anything: it must not bring us down, so this is no assertion. */
int learner_learn(struct learner *l, const struct synod_entry *entry)
{
    assert(entry->slot > 0);
    assert(entry->kind == SYNOD_ENTRY_NOOP || entry->kind == SYNOD_ENTRY_VALUE);

    if (entry->slot <= l->chosen || entry->slot > l->chosen + l->window) {
        return 0;
    }
    struct learned *learned = ring_at(l, entry->slot);
    if (learned->entry.slot == entry->slot) {
        if (synod_entry_equal(&learned->entry, entry)) {
            return 0;
        }
        l->contradictions++;
        return SYNOD_ERR_CORRUPT;
    }
    assert(learned->entry.slot <= l->chosen); /* What is not handed out yet is kept. */
    learned->entry = *entry;
    if (entry->slot > l->last) {
        l->last = entry->slot;
    }
    assert(l->last > l->chosen && l->last - l->chosen <= l->window);
    return 1;
}

void learner_deliver(struct learner *l, uint64_t now_ms, struct outbox *out)
{
    assert(now_ms >= l->progress_ms);
    for (;;) {
        const struct learned *learned = ring_at(l, l->chosen + 1);
        if (learned->entry.slot != l->chosen + 1) {
            break;
        }
        outbox_chosen(out, &learned->entry);
        l->chosen++;
        l->progress_ms = now_ms;
        l->asked = 0;
    }
    assert(l->last >= l->chosen && l->last - l->chosen <= l->window);
}

void learner_skip_to(struct learner *l, synod_slot slot, uint64_t now_ms)
{
    assert(now_ms >= l->progress_ms);
    if (slot <= l->chosen) {
        return;
    }
    l->chosen = slot;
    l->progress_ms = now_ms;
    l->asked = 0;
    if (slot > l->last) {
        l->last = slot;
    }
    assert(l->last >= l->chosen && l->last - l->chosen <= l->window);
}

/* One was asked in vain. It may be unable to serve, whoever is nearest to us, and answers first, as
 * it may be: so all have their turn, in the order of their ids. */
static int is_next_to_ask(const struct learner *l, synod_member_id member)
{
    assert(member != 0 && l->window > 0);
    return l->asked != 0 && member - l->asked - 1 < l->claimer - l->asked - 1 && !MUTANT(102);
}

void learner_claim(struct learner *l, synod_member_id member, synod_slot chosen, uint64_t now_ms)
{
    assert(member != 0);
    assert(chosen <= SYNOD_SLOT_MAX); /* Or the slot after it might be none. */
    assert(now_ms >= l->progress_ms);
    assert(l->claimed <= l->chosen || l->claimer != 0);
    const int is_better = chosen > l->claimed && (member != l->asked || MUTANT(125));
    if (l->claimed > l->chosen && !is_better && !is_next_to_ask(l, member)) {
        return;
    }
    if (chosen > l->chosen) {
        if (l->claimed <= l->chosen) {
            l->progress_ms = now_ms; /* Patience is counted from the first lag. */
        }
        l->claimed = chosen;
        l->claimer = member;
    }
}

int learner_is_giver(struct learner *l, synod_member_id member, synod_slot chosen, uint64_t now_ms)
{
    assert(member != 0);
    assert(now_ms >= l->giver_ms);
    if (l->giver != 0 && l->giver != member && !MUTANT(117)) {
        return 0;
    }
    l->giver = 0;
    if (chosen > l->chosen) { /* It has more. */
        l->giver = member;
        l->claimer = member;
        l->claimed = chosen > l->claimed ? chosen : l->claimed;
    }
    l->giver_ms = now_ms;
    return 1;
}

int learner_is_given(const struct learner *l, uint64_t now_ms, uint32_t patience_ms)
{
    assert(now_ms >= l->giver_ms);
    assert(l->giver == 0 || l->giver_ms != 0);
    return l->giver != 0 && now_ms - l->giver_ms < patience_ms && !MUTANT(117);
}

/* A slot whose notice is on its way is not missing: a lag is given some time to close by
 * itself. Once answers come, each of them asks for the next (core.c, on_learn). */
void learner_fetch(struct learner *l, uint64_t now_ms, uint32_t patience_ms, struct outbox *out)
{
    if (l->claimed <= l->chosen) {
        return;
    }
    assert(l->claimer != 0);
    assert(now_ms >= l->progress_ms);
    assert(learner_at(l, l->chosen + 1) == NULL); /* What is here was handed out, not asked for. */
    if (now_ms - l->progress_ms < patience_ms) {
        return;
    }
    struct synod_message *fetch = outbox_message(out, SYNOD_MESSAGE_FETCH, l->claimer);
    fetch->slot = l->chosen + 1;
    MARK("learner: asks for what it lacks");
    l->progress_ms = now_ms; /* Ask again only if this one brings nothing. */
    l->asked = l->claimer;
    /* The next try goes to whoever claims next: this one may be gone. */
    l->claimed = l->chosen;
}

void learner_check(const struct learner *l)
{
    assert(l->last >= l->chosen && l->last - l->chosen <= l->window);
    assert(l->claimed <= l->chosen || l->claimer != 0);
    assert(l->giver == 0 || l->giver_ms != 0);
    assert(learner_at(l, l->chosen + 1) == NULL);
    for (synod_slot slot = l->chosen + 1; slot <= l->chosen + l->window; slot++) {
        const struct learned *learned = ring_at(l, slot);
        assert(learned->entry.slot == slot || learned->entry.slot <= l->chosen);
        assert(learned->entry.slot <= l->last);
    }
}
