/* marks.h -- all marks of base/mark.h that this program was linked with, and how often they were
 * come by. */
#ifndef SIM_MARKS_H
#define SIM_MARKS_H

#include <stdint.h>

enum {
    MARKS_MAX = 128
};

/* 0 in builds that count none. */
uint32_t marks_count(void);

/* Words of the mark, and why no seed need come by it: NULL where one must. */
const char *marks_text(uint32_t index);
const char *marks_excuse(uint32_t index);

/* Begin to count anew; what was counted since, for each mark. */
void marks_begin(void);
void marks_take(uint32_t hits[MARKS_MAX]);

#endif /* SIM_MARKS_H */
