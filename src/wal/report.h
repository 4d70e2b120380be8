/* report.h -- what is wrong with a file: which one, where, and what was expected. */
#ifndef WAL_REPORT_H
#define WAL_REPORT_H

#include <stdint.h>

enum {
    REPORT_PATH_BYTES = 1024,
    REPORT_TEXT_BYTES = 1400
};

/* Instead of an offset: a file or directory as a whole, or something that is no file. */
#define REPORT_WHOLE UINT64_MAX

struct report {
    int error;                    /* A negative enum synod_error; 0: a warning. */
    uint64_t offset;              /* In bytes from the start of the file, or REPORT_WHOLE. */
    char file[REPORT_PATH_BYTES]; /* Its path, cut if it is too long. */
    char text[REPORT_TEXT_BYTES]; /* A whole sentence with both in it, for the operator. */
};

/* Where in which file: the two always go together. */
struct report_place {
    const char *file; /* Path; borrowed during the call. */
    uint64_t offset;  /* In bytes, or REPORT_WHOLE. */
};

/* Fill in a report: "FILE: byte OFFSET: ", or "FILE: " of a whole one, and then `format` and what
 * follows it, as printf would write them. `report` may be NULL (nobody asked). Returns `error`. */
int report_fill(struct report *report, int error, struct report_place place, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* The same for a call of os.h that failed with `error_number`, a negative errno value: `what`
 * is what was tried ("write", "sync"). Returns SYNOD_ERR_ACCESS where the operator can help it
 * (no permission, no such directory, read-only), SYNOD_ERR_MEMORY, else SYNOD_ERR_STORAGE. */
int report_system(struct report *report, struct report_place place, const char *what,
                  int64_t error_number);

#endif /* WAL_REPORT_H */
