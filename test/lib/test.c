/* test.c -- runs every test that registered itself. An argument selects those with it in their
 * names; one that begins with a minus sign, those without. */
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

static int is_selected(const char *name, const char *word)
{
    return word[0] == '-' ? strstr(name, word + 1) == NULL : strstr(name, word) != NULL;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    struct CMUnitTest *tests = calloc(count + 1, sizeof *tests);
    size_t chosen = 0;

    if (tests == NULL) {
        fprintf(stderr, "%s: out of memory\n", argv[0]);
        return 1;
    }
    for (const struct test *test = first; test != NULL; test = test->next) {
        if (is_selected(test->name, word)) {
            tests[chosen++] = (struct CMUnitTest){test->name, test->run, NULL, NULL, NULL};
        }
    }
    if (chosen == 0) {
        fprintf(stderr, "%s: no test is named like '%s'\n", argv[0], word);
        return 1;
    }
    const int failed = _cmocka_run_group_tests(argv[0], tests, chosen, NULL, NULL);
    free(tests);
    return failed == 0 ? 0 : 1;
}
