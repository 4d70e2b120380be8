/* report.c -- what is wrong with a file: which one, where, and what was expected. */
#include "wal/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "synod/error.h"

int report_fill(struct report *report, int error, struct report_place place, const char *format,
                ...)
{
    assert(error <= 0);
    assert(place.file != NULL);
    if (report == NULL) {
        return error;
    }
    report->error = error;
    report->offset = place.offset;
    snprintf(report->file, sizeof report->file, "%s", place.file);

    char reason[REPORT_TEXT_BYTES - REPORT_PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    char where[32] = "";
    if (place.offset != REPORT_WHOLE) {
        snprintf(where, sizeof where, "byte %" PRIu64 ": ", place.offset);
    }
    /* A path that is too long is cut, and then so is the sentence: nothing depends on it. */
    snprintf(report->text, sizeof report->text, "%.960s: %s%s", place.file, where, reason);
    return error;
}

/* Which of our errors is it? What an operator can put right by looking at the directory is
 * told apart from a disk that fails. */
static int classify(int error_number)
{
    assert(error_number < 0);
    assert(error_number > -4096);
    switch (error_number) {
    case -ENOMEM:
        return SYNOD_ERR_MEMORY;
    case -EACCES:
    case -EPERM:
    case -ENOENT:
    case -ENOTDIR:
    case -EISDIR:
    case -ELOOP:
    case -EROFS:
        return SYNOD_ERR_ACCESS;
    default:
        return SYNOD_ERR_STORAGE;
    }
}

int report_system(struct report *report, struct report_place place, const char *what,
                  int64_t error_number)
{
    assert(what != NULL);
    assert(error_number < 0);
    assert(error_number > -4096);
    const char *why = strerrordesc_np(-(int)error_number); /* strerror() is not for threads. */
    return report_fill(report, classify((int)error_number), place, "%s failed: %s", what,
                       why == NULL ? "unknown error" : why);
}
