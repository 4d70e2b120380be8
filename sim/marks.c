/* marks.c -- all marks, as the linker gathered them, and those that no seed need come by. */
#include "sim/marks.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/mark.h"

int mark_is_on;

/* The linker's names for the ends of the array; none where nothing was marked. */
extern struct mark *__start_marks[] __attribute__((weak));
extern struct mark *__stop_marks[] __attribute__((weak));

static const struct {
    const char *text;
    const char *reason;
} EXCUSES[] = {
    {"election: a leader in vain makes room for one that could lead",
     "it takes five members, and those that the leader hears a window behind for an election "
     "time-out: unit tests do that, and seeds hardly ever"},
    {"wal: a record is trimmed away while it is read",
     "what a member still needs is kept, so a late worker seldom finds it gone"},
};

uint32_t marks_count(void)
{
    /* cppcheck-suppress comparePointers ; they are two names of one array */
    const ptrdiff_t length = __stop_marks - __start_marks;
    const uint32_t count = __start_marks == NULL ? 0 : (uint32_t)length;
    assert(count <= MARKS_MAX);
    return count;
}

const char *marks_text(uint32_t index)
{
    assert(index < marks_count());
    return __start_marks[index]->text;
}

const char *marks_excuse(uint32_t index)
{
    for (size_t i = 0; i < sizeof EXCUSES / sizeof EXCUSES[0]; i++) {
        if (strcmp(EXCUSES[i].text, marks_text(index)) == 0) {
            return EXCUSES[i].reason;
        }
    }
    return NULL;
}

void marks_begin(void)
{
    mark_is_on = 1;
    for (uint32_t i = 0; i < marks_count(); i++) {
        __start_marks[i]->hits = 0;
    }
}

void marks_take(uint32_t hits[MARKS_MAX])
{
    mark_is_on = 0;
    for (uint32_t i = 0; i < marks_count(); i++) {
        const uint64_t count = __start_marks[i]->hits;
        hits[i] = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    }
}
