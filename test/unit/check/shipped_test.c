/* shipped_test.c -- the histories of test/histories: judged as they say of themselves.
 *
 * Each says, in a line `# rejected by: `, which judges must reject it, or nobody. All others must
 * accept it: so it can also be read there what each of them cannot see. */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "check/checker.h"
#include "test.h"

enum {
    SHIPPED_MIN = 30
};

/* The rest of the line that names the judges. */
static void find_names(const char *path, char *names, int size)
{
    static const char TITLE[] = "# rejected by: ";
    FILE *from = fopen(path, "r");
    assert_non_null(from);
    do {
        if (fgets(names, size, from) == NULL) {
            fail_msg("%s does not say who rejects it", path);
        }
    } while (strncmp(names, TITLE, sizeof TITLE - 1) != 0);
    memmove(names, names + sizeof TITLE - 1, strlen(names + sizeof TITLE - 1) + 1);
    assert_int_equal(fclose(from), 0);
}

static void check_file(const char *path)
{
    char names[200];
    char wrong[200] = "";
    struct chronicle history;
    struct checker_verdict verdict;
    FILE *from = fopen(path, "r");
    assert_non_null(from);
    chronicle_init(&history);
    if (chronicle_read(&history, from, wrong, sizeof wrong) != 0) {
        fail_msg("%s: %s", path, wrong);
    }
    assert_int_equal(fclose(from), 0);
    find_names(path, names, sizeof names);
    unsigned rejected = 0;
    for (size_t i = 0; i < CHECKER_COUNT; i++) {
        const int is_named = strstr(names, CHECKERS[i].name) != NULL;
        CHECKERS[i].judge(&history, NULL, &verdict);
        if (verdict.opinion != (is_named ? CHECKER_REJECTS : CHECKER_ACCEPTS)) {
            fail_msg("%s: the %s %s: %s", path, CHECKERS[i].name,
                     checker_opinion_name(verdict.opinion), verdict.text);
        }
        rejected += is_named != 0;
    }
    assert_int_equal(rejected == 0, strcmp(names, "nobody\n") == 0);
    assert_int_equal(rejected == 0, strstr(path, "/right-") != NULL);
    chronicle_deinit(&history);
}

TEST(judges, say_of_the_histories_that_ship_what_they_should)
{
    glob_t found;
    assert_int_equal(glob("test/histories/*.txt", 0, NULL, &found), 0);
    assert_in_range(found.gl_pathc, SHIPPED_MIN, 1000);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        check_file(found.gl_pathv[i]);
    }
    globfree(&found);
}
