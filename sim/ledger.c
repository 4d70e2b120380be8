/* ledger.c -- what a cluster applied, slot by slot. */
#include "sim/ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/world.h"

void ledger_deinit(struct ledger *ledger)
{
    free(ledger->chains);
}

void ledger_violate(struct ledger *ledger, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (ledger->violation[0] == 0) {
        vsnprintf(ledger->violation, sizeof ledger->violation, format, arguments);
    }
    va_end(arguments);
}

static uint64_t *chain_at(struct ledger *ledger, synod_slot slot)
{
    if (slot >= ledger->chain_capacity) {
        uint64_t capacity = ledger->chain_capacity == 0 ? 1024 : ledger->chain_capacity;
        while (capacity <= slot) {
            capacity *= 2;
        }
        uint64_t *chains = world_allocate(capacity * sizeof *chains);
        if (ledger->chain_capacity > 0) {
            memcpy(chains, ledger->chains, ledger->chain_capacity * sizeof *chains);
        }
        free(ledger->chains);
        ledger->chains = chains;
        ledger->chain_capacity = capacity;
    }
    return &ledger->chains[slot];
}

/* The last command of a slot was applied: every replica must have the same chain here. */
static void close_slot(struct ledger_machine *watched)
{
    if (watched->slot == 0) {
        return;
    }
    uint64_t *known = chain_at(watched->ledger, watched->slot);
    if (*known == 0) {
        *known = watched->chain;
    } else if (*known != watched->chain) {
        ledger_violate(watched->ledger,
                       "agreement: node %u applied something else in slot %" PRIu64, watched->node,
                       watched->slot);
    }
}

static void begin_slot(struct ledger_machine *watched, synod_slot slot)
{
    if (watched->is_restored) {
        /* Continue from the last slot before this one in which anybody applied anything. */
        synod_slot before = slot - 1;
        while (before > 0 && *chain_at(watched->ledger, before) == 0) {
            before--;
        }
        watched->chain = before == 0 ? 0 : *chain_at(watched->ledger, before);
        watched->is_restored = 0;
    } else {
        close_slot(watched);
    }
    if (slot <= watched->slot) {
        ledger_violate(watched->ledger, "order: node %u applied slot %" PRIu64 " too late",
                       watched->node, slot);
    }
    watched->slot = slot;
    if (slot > watched->ledger->applied) {
        watched->ledger->applied = slot;
    }
}

static const void *apply(void *context, const struct synod_command *command)
{
    struct ledger_machine *watched = context;
    if (command->slot != watched->slot) {
        begin_slot(watched, command->slot);
    }
    const uint64_t link[3] = {watched->chain, command->kind,
                              XXH3_64bits(command->data, command->size)};
    watched->chain = XXH3_64bits(link, sizeof link) | 1;
    watched->on_apply(watched->context);
    const void *result = watched->inner.apply(watched->inner.context, command);
    watched->on_applied(watched->context, command);
    return result;
}

static uint64_t state_size(void *context)
{
    struct ledger_machine *watched = context;
    return watched->inner.state_size(watched->inner.context);
}

static void *snapshot_open(void *context)
{
    struct ledger_machine *watched = context;
    close_slot(watched);
    return watched->inner.snapshot_open(watched->inner.context);
}

static void snapshot_close(void *context, void *cursor)
{
    struct ledger_machine *watched = context;
    watched->inner.snapshot_close(watched->inner.context, cursor);
}

static int restore_begin(void *context)
{
    struct ledger_machine *watched = context;
    watched->is_restored = 1;
    watched->ledger->restores++;
    return watched->inner.restore_begin(watched->inner.context);
}

static int restore_piece(void *context, const void *data, size_t size)
{
    struct ledger_machine *watched = context;
    return watched->inner.restore_piece(watched->inner.context, data, size);
}

static int restore_end(void *context)
{
    struct ledger_machine *watched = context;
    return watched->inner.restore_end(watched->inner.context);
}

void ledger_watch(struct ledger_machine *watched, struct synod_machine *outer)
{
    *outer = (struct synod_machine){
        .context = watched,
        .apply = apply,
        .state_size = state_size,
        .snapshot_open = snapshot_open,
        .snapshot_read = watched->inner.snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_piece = restore_piece,
        .restore_end = restore_end,
    };
}
