/* error_test.c -- what base/error promises, claim by claim. */
#include "synod/error.h"

#include <string.h>

#include "test.h"

TEST(error, has_words_for_every_code_and_for_none)
{
    assert_string_equal(synod_strerror(SYNOD_ERR_LOCKED),
                        "another process uses this data directory");
    assert_string_equal(synod_strerror(SYNOD_ERR_NO_LEADER), "there is no leader now");
    assert_non_null(synod_strerror(0));
    assert_string_equal(synod_strerror(-4711), synod_strerror(4711));
}
