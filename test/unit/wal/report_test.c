/* report_test.c -- what the system says, in words and as an error that one can act on. */
#include <errno.h>
#include <string.h>

#include "synod/error.h"
#include "test.h"
#include "wal/report.h"

static const struct report_place PLACE = {"/data/wal/1.wal", REPORT_WHOLE};

TEST(report, names_the_operation_and_says_why)
{
    struct report report;
    const int error = report_system(&report, PLACE, "write", -ENOSPC);
    assert_int_equal(report.error, error);
    assert_non_null(strstr(report.text, "/data/wal/1.wal"));
    assert_non_null(strstr(report.text, "write failed: No space left on device"));
    assert_string_equal(report.file, PLACE.file);
}

TEST(report, has_words_for_a_number_that_the_system_does_not_know)
{
    struct report report;
    assert_int_equal(report_system(&report, PLACE, "sync", -4000), SYNOD_ERR_STORAGE);
    assert_non_null(strstr(report.text, "sync failed: unknown error"));
}

TEST(report, tells_memory_and_rights_from_a_disk_that_refuses)
{
    static const struct {
        int number;
        int error;
    } rows[] = {
        {EIO, SYNOD_ERR_STORAGE},   {ENOSPC, SYNOD_ERR_STORAGE}, {ENOMEM, SYNOD_ERR_MEMORY},
        {EACCES, SYNOD_ERR_ACCESS}, {EPERM, SYNOD_ERR_ACCESS},   {EROFS, SYNOD_ERR_ACCESS},
    };
    struct report report;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(report_system(&report, PLACE, "open", -rows[i].number), rows[i].error);
    }
}

TEST(report, may_be_wanted_by_nobody)
{
    assert_int_equal(report_system(NULL, PLACE, "open", -EIO), SYNOD_ERR_STORAGE);
}
