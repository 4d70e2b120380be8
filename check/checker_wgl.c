/* checker_wgl.c -- the judge that searches: is there one order of the operations on each key?
 *
 * A search in depth, without recursion. A call may come next if it began before any remaining
 * one ended. Three rules keep the search small:
 *
 *   - A read that fits is taken at once: whatever order there is from here, there is one with
 *     this read first.
 *   - Calls are tried in the order of the revisions that somebody says they were done at, and of a
 *     txn first the branch that somebody says it took. That proves nothing, and nothing is left
 *     untried for it; but if the history is right, the first try is mostly the right one. Calls of
 *     which nobody says anything come last, and of those that are alike (deletions; puts of values
 *     that nobody names) only the one that began first.
 *   - A set of taken calls with the value that they left is searched once. Sets are told apart
 *     by 128 bits, the exclusive or of a random number for each call: with a million of them
 *     the odds that any two are mistaken for one another are below 1 in 10^26. */
#include "check/checker_wgl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/register.h"

enum {
    MEMORY_MAX = 100000,
    MEMORY_MIN = 1 << 10
};

#define NONE UINT32_MAX

struct hash {
    uint64_t low;
    uint64_t high;
};

/* Calls that remain, in order of their beginnings. */
struct link {
    uint32_t next;
    uint32_t previous;
};

/* A call that was taken. */
struct frame {
    uint32_t call;
    uint32_t choice;
    uint64_t value; /* Before it. */
    int is_forced;  /* Nothing else need be tried in its place. */
};

struct search {
    const struct register_call *calls;
    uint32_t count;
    uint32_t *kinds;    /* By call: which others are like it; NONE: none need be. */
    uint32_t *visited;  /* By kind: the last visit to the list in which one was met, ... */
    uint32_t visit;     /* ... counted here. */
    struct link *links; /* One more than calls twice over: heads of the sure and the unsure. */
    struct frame *frames;
    uint32_t depth;
    uint32_t sure_left; /* Calls that surely happened and were not taken yet. */
    uint64_t value;     /* What the register holds. */
    struct hash taken;
    struct hash *memory; /* An open table; all zero: free. */
    size_t memory_count;
    size_t memory_capacity;
    size_t memory_max;
    uint32_t best_left;  /* The fewest that were ever left, ... */
    uint32_t best_call;  /* ... which of them had to come, ... */
    uint32_t best_write; /* ... and who had written last. */
};

static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

static void toggle(struct search *search, uint32_t call)
{
    search->taken.low ^= mix(2 * (uint64_t)call + 1);
    search->taken.high ^= mix(~(2 * (uint64_t)call + 1));
}

static int is_sure(const struct search *search, uint32_t call)
{
    return search->calls[call].end_us != UINT64_MAX;
}

/* -- Memory --------------------------------------------------------------------------------- */

static struct hash *find_pair(const struct search *search, struct hash pair)
{
    size_t at = (size_t)pair.low & (search->memory_capacity - 1);
    for (;;) {
        struct hash *here = &search->memory[at];
        if ((here->low == 0 && here->high == 0) ||
            (here->low == pair.low && here->high == pair.high)) {
            return here;
        }
        at = (at + 1) & (search->memory_capacity - 1);
    }
}

static void grow_memory(struct search *search)
{
    struct hash *old = search->memory;
    const size_t old_capacity = search->memory_capacity;
    search->memory_capacity = old_capacity == 0 ? MEMORY_MIN : 2 * old_capacity;
    search->memory = checker_allocate(search->memory_capacity, sizeof *search->memory);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].low != 0 || old[i].high != 0) {
            *find_pair(search, old[i]) = old[i];
        }
    }
    free(old);
}

/* Remember where the search is. Returns 0 if it has been here before. */
static int remember(struct search *search)
{
    const struct hash pair = {search->taken.low ^ mix(search->value + 1),
                              search->taken.high ^ mix(~search->value)};
    if (2 * search->memory_count >= search->memory_capacity) {
        grow_memory(search);
    }
    struct hash *here = find_pair(search, pair);
    const int is_new = here->low == 0 && here->high == 0;
    *here = pair;
    search->memory_count += is_new != 0;
    return is_new;
}

/* -- Taking calls and giving them back ------------------------------------------------------ */

static uint32_t head_of(const struct search *search, uint32_t call)
{
    return search->count + !is_sure(search, call);
}

static void take(struct search *search, uint32_t call, uint32_t choice, int is_forced)
{
    const struct link *link = &search->links[call];
    const uint64_t write = search->calls[call].choices[choice].write;
    search->frames[search->depth++] = (struct frame){call, choice, search->value, is_forced};
    search->links[link->previous].next = link->next;
    search->links[link->next].previous = link->previous;
    search->value = write == REGISTER_ANY ? search->value : write;
    search->sure_left -= is_sure(search, call) != 0;
    toggle(search, call);
}

static struct frame give_back(struct search *search)
{
    const struct frame frame = search->frames[--search->depth];
    const struct link *link = &search->links[frame.call];
    search->links[link->previous].next = frame.call;
    search->links[link->next].previous = frame.call;
    search->value = frame.value;
    search->sure_left += is_sure(search, frame.call) != 0;
    toggle(search, frame.call);
    return frame;
}

/* -- What may come next --------------------------------------------------------------------- */

/* The first end of a call that remains: whatever began after it cannot come next. */
static uint64_t find_limit(const struct search *search, uint32_t *first_to_end)
{
    uint64_t limit = UINT64_MAX;
    for (uint32_t i = search->links[search->count].next;
         i < search->count && search->calls[i].begin_us <= limit; i = search->links[i].next) {
        if (search->calls[i].end_us < limit) {
            limit = search->calls[i].end_us;
            *first_to_end = i;
        }
    }
    return limit;
}

/* True if a call never changes anything where it fits. */
static int is_read(const struct register_choice *way)
{
    return way->write == REGISTER_ANY || way->write == way->is;
}

/* True if this choice could come now. What need not come at all, and of which nobody says when,
 * comes only if it changes something. */
static int is_step(const struct search *search, uint32_t call, uint32_t choice)
{
    const struct register_choice *way = &search->calls[call].choices[choice];
    return register_meets(way, search->value) && !is_read(way) &&
           (way->write != search->value || is_sure(search, call) ||
            search->calls[call].hint != INT64_MAX);
}

/* Take every read that fits. (A write of what is there already is no read: elsewhere it might
 * change something, and be needed.) */
static void take_forced(struct search *search)
{
    uint32_t first = NONE;
    int has_taken = 1;
    while (has_taken) {
        const uint64_t limit = find_limit(search, &first);
        has_taken = 0;
        for (uint32_t i = search->links[search->count].next;
             i < search->count && search->calls[i].begin_us <= limit; i = search->links[i].next) {
            const struct register_choice *way = &search->calls[i].choices[0];
            if (is_read(way) && register_meets(way, search->value)) {
                take(search, i, 0, 1);
                has_taken = 1;
            }
        }
    }
}

/* True if one step is to be tried before another: by the hints; without them, and where they are
 * the same, in the order of the beginnings. A call of NONE comes before and after all. */
static int is_before(const struct search *search, const struct frame *left,
                     const struct frame *right)
{
    const int64_t left_hint = search->calls[left->call].hint;
    const int64_t right_hint = search->calls[right->call].hint;
    return left_hint != right_hint     ? left_hint < right_hint
           : left->call != right->call ? left->call < right->call
                                       : left->choice < right->choice;
}

/* The first step after `last` of those of one list, if it is before what was found so far. */
static void find_next(struct search *search, uint32_t head, uint64_t limit,
                      const struct frame *last, struct frame *found)
{
    search->visit++;
    for (uint32_t i = search->links[head].next;
         i < search->count && search->calls[i].begin_us <= limit; i = search->links[i].next) {
        const struct register_call *call = &search->calls[i];
        const uint32_t kind = search->kinds[i];
        const int is_like_another = kind != NONE && search->visited[kind] == search->visit;
        if (kind != NONE) {
            search->visited[kind] = search->visit;
        }
        for (uint32_t j = 0; j < call->choice_count && !is_like_another; j++) {
            const struct frame step = {.call = i, .choice = j};
            if ((last->call == NONE || is_before(search, last, &step)) &&
                (found->call == NONE || is_before(search, &step, found)) && is_step(search, i, j)) {
                *found = step;
            }
        }
    }
}

/* The next step to try here after `last` was; a call of NONE: none before it, or none left. */
static struct frame next_step(struct search *search, const struct frame *last)
{
    struct frame found = {.call = NONE};
    uint32_t first = NONE;
    const uint64_t limit = find_limit(search, &first);
    find_next(search, search->count, limit, last, &found);
    find_next(search, search->count + 1, limit, last, &found);
    return found;
}

/* -- The search ----------------------------------------------------------------------------- */

static void note_best(struct search *search)
{
    if (search->sure_left >= search->best_left) {
        return;
    }
    search->best_left = search->sure_left;
    (void)find_limit(search, &search->best_call);
    search->best_write = NONE;
    for (uint32_t i = search->depth; i > 0 && search->best_write == NONE; i--) {
        const struct frame *frame = &search->frames[i - 1];
        if (search->calls[frame->call].choices[frame->choice].write != REGISTER_ANY) {
            search->best_write = frame->call;
        }
    }
}

/* Back to the last place where something else could be tried. Returns 0 if there is none. */
static int go_back(struct search *search, struct frame *last)
{
    do {
        if (search->depth == 0) {
            return 0;
        }
        *last = give_back(search);
    } while (last->is_forced);
    return 1;
}

static enum checker_opinion run_search(struct search *search)
{
    struct frame last = {.call = NONE};
    take_forced(search);
    note_best(search);
    while (search->sure_left > 0) {
        const struct frame step = next_step(search, &last);
        if (step.call != NONE) {
            take(search, step.call, step.choice, 0);
            take_forced(search);
            note_best(search);
            last.call = NONE;
            if (remember(search)) {
                continue;
            }
        }
        if (search->memory_count > search->memory_max) {
            return CHECKER_GAVE_UP;
        }
        if (!go_back(search, &last)) {
            return CHECKER_REJECTS;
        }
    }
    return CHECKER_ACCEPTS;
}

static void link_calls(struct search *search)
{
    const uint32_t heads[2] = {search->count, search->count + 1};
    for (int i = 0; i < 2; i++) {
        search->links[heads[i]] = (struct link){heads[i], heads[i]};
    }
    for (uint32_t i = 0; i < search->count; i++) {
        const uint32_t head = head_of(search, i);
        const uint32_t last = search->links[head].previous;
        search->links[i] = (struct link){head, last};
        search->links[last].next = i;
        search->links[head].previous = i;
        search->sure_left += is_sure(search, i) != 0;
    }
}

/* -- What is alike -------------------------------------------------------------------------- */

struct likeness {
    struct register_choice choices[REGISTER_CHOICES_MAX];
    uint32_t call;
};

static int compare_likeness(const void *left, const void *right)
{
    const struct likeness *l = left;
    const struct likeness *r = right;
    return memcmp(l->choices, r->choices, sizeof l->choices);
}

/* Calls that may have happened, of which nobody says when, and that would do the same. */
static void find_kinds(struct search *search)
{
    struct likeness *all = checker_allocate(search->count, sizeof *all);
    uint32_t count = 0;
    uint32_t kind = 0;
    for (uint32_t i = 0; i < search->count; i++) {
        const struct register_call *call = &search->calls[i];
        search->kinds[i] = NONE;
        if (!is_sure(search, i) && call->hint == INT64_MAX) {
            memcpy(all[count].choices, call->choices, sizeof call->choices);
            all[count++].call = i;
        }
    }
    qsort(all, count, sizeof *all, compare_likeness);
    for (uint32_t i = 0; i < count; i++) {
        kind += i > 0 && compare_likeness(&all[i - 1], &all[i]) != 0;
        search->kinds[all[i].call] = kind;
    }
    free(all);
}

static void conclude(const struct chronicle *history, const struct search *search, uint32_t key,
                     enum checker_opinion opinion, struct checker_verdict *verdict)
{
    char sentence[200];
    int64_t both[2] = {CHECKER_NOBODY, CHECKER_NOBODY};
    if (opinion == CHECKER_GAVE_UP) {
        snprintf(sentence, sizeof sentence,
                 "the search for an order of the %" PRIu32 " operations on key %" PRIu32
                 " gave up after %zu pairs",
                 search->count, key, search->memory_count);
    } else {
        both[0] = search->best_call == NONE ? CHECKER_NOBODY
                                            : (int64_t)search->calls[search->best_call].operation;
        both[1] = search->best_write == NONE ? CHECKER_NOBODY
                                             : (int64_t)search->calls[search->best_write].operation;
        snprintf(sentence, sizeof sentence,
                 "no order of the operations on key %" PRIu32
                 " explains every answer: in the best "
                 "one this had to come next and could not, the last write being the other",
                 key);
    }
    checker_conclude(verdict, history, opinion, sentence, both);
}

static enum checker_opinion judge_key(const struct chronicle *history, struct registers *registers,
                                      uint32_t key, size_t memory_max,
                                      struct checker_verdict *verdict)
{
    struct search search = {
        .memory_max = memory_max, .best_call = NONE, .best_write = NONE, .best_left = UINT32_MAX};
    search.calls = registers_calls(registers, key, &search.count);
    search.links = checker_allocate((size_t)search.count + 2, sizeof *search.links);
    search.frames = checker_allocate(search.count, sizeof *search.frames);
    search.kinds = checker_allocate(search.count, sizeof *search.kinds);
    search.visited = checker_allocate(search.count, sizeof *search.visited);
    link_calls(&search);
    find_kinds(&search);
    const enum checker_opinion opinion = run_search(&search);
    if (opinion != CHECKER_ACCEPTS && verdict->opinion != opinion) {
        conclude(history, &search, key, opinion, verdict);
    }
    free(search.kinds);
    free(search.visited);
    free(search.links);
    free(search.frames);
    free(search.memory);
    return opinion;
}

void checker_wgl_within(const struct chronicle *history, const struct checker_wgl_options *options,
                        struct checker_verdict *verdict)
{
    *verdict = (struct checker_verdict){.opinion = CHECKER_ACCEPTS};
    if (checker_find_flaw(history, verdict) != 0) {
        return;
    }
    const size_t memory_max = options->memory_max == 0 ? MEMORY_MAX : options->memory_max;
    struct registers *registers = registers_new(history, options->hints);
    for (uint32_t key = 0; key < history->key_count && verdict->opinion != CHECKER_REJECTS; key++) {
        (void)judge_key(history, registers, key, memory_max, verdict);
    }
    registers_free(registers);
}

void checker_wgl(const struct chronicle *history, struct checker_verdict *verdict)
{
    const struct checker_wgl_options options = {.memory_max = 0};
    checker_wgl_within(history, &options, verdict);
}
