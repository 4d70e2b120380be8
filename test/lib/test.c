/* test.c -- runs every test that registered itself. An argument selects by substring. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test *first;
static struct test **last = &first;
static size_t count;

void test_register(struct test *test)
{
    *last = test;
    last = &test->next;
    count++;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    struct CMUnitTest *tests = calloc(count + 1, sizeof *tests);
    size_t chosen = 0;

    if (tests == NULL) {
        fprintf(stderr, "%s: out of memory\n", argv[0]);
        return 1;
    }
    for (const struct test *test = first; test != NULL; test = test->next) {
        if (strstr(test->name, only) != NULL) {
            tests[chosen++] = (struct CMUnitTest){test->name, test->run, NULL, NULL, NULL};
        }
    }
    if (chosen == 0) {
        fprintf(stderr, "%s: no test is named like '%s'\n", argv[0], only);
        return 1;
    }
    const int failed = _cmocka_run_group_tests(argv[0], tests, chosen, NULL, NULL);
    free(tests);
    return failed == 0 ? 0 : 1;
}
