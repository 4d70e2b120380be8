/* flags_test.c -- etcd's flags, in Go's syntax and from the environment. */
#include "server/flags.h"

#include <string.h>

#include "command_line.h"
#include "test.h"

/* Read a command line, and an environment: a list that ends with NULL. */
static enum flags_outcome read_all(struct flags *flags, const char *line, char **environment)
{
    static struct command_line words; /* The flags borrow from it. */
    command_line_split(&words, line);
    return flags_read(flags, words.count, words.words, environment);
}

static enum flags_outcome read_line(struct flags *flags, const char *line)
{
    return read_all(flags, line, (char *[]){NULL});
}

TEST(flags, can_be_written_in_four_ways)
{
    struct flags flags;
    assert_int_equal(
        read_line(&flags, "-name x --data-dir d --initial-cluster-token=t -heartbeat-interval=7"),
        FLAGS_GIVEN);
    assert_string_equal(flags.values[FLAG_NAME], "x");
    assert_string_equal(flags.values[FLAG_DATA_DIR], "d");
    assert_string_equal(flags.values[FLAG_INITIAL_CLUSTER_TOKEN], "t");
    assert_string_equal(flags.values[FLAG_HEARTBEAT_INTERVAL], "7");
    assert_string_equal(flags.values[FLAG_ELECTION_TIMEOUT], "1000");
    assert_int_equal(flags.sources[FLAG_NAME], FLAG_SOURCE_COMMAND_LINE);
    assert_int_equal(flags.sources[FLAG_ELECTION_TIMEOUT], FLAG_SOURCE_DEFAULT);
}

/* Go: a switch takes no word after it; "=false" is the only way to turn it off. */
TEST(flags, that_are_switches_take_their_value_after_an_equals_sign)
{
    struct flags flags;
    assert_int_equal(read_line(&flags, "--pre-vote --strict-reconfig-check=F"), FLAGS_GIVEN);
    assert_string_equal(flags.values[FLAG_PRE_VOTE], "true");
    assert_string_equal(flags.values[FLAG_STRICT_RECONFIG_CHECK], "false");
    assert_int_equal(read_line(&flags, "--pre-vote false"), FLAGS_REFUSED);
    assert_string_equal(flags.error, "not a flag: false");
    assert_int_equal(read_line(&flags, "--pre-vote=maybe"), FLAGS_REFUSED);
    assert_string_equal(flags.error, "-pre-vote: \"maybe\" is neither true nor false");
}

TEST(flags, that_nobody_knows_are_refused_in_etcds_words)
{
    struct flags flags;
    assert_int_equal(read_line(&flags, "--name a -badflag=1"), FLAGS_REFUSED);
    assert_string_equal(flags.error, "flag provided but not defined: -badflag");
    assert_int_equal(read_line(&flags, "-name"), FLAGS_REFUSED);
    assert_string_equal(flags.error, "flag needs an argument: -name");
    assert_int_equal(read_line(&flags, "stray"), FLAGS_REFUSED);
    assert_int_equal(read_line(&flags, "-"), FLAGS_REFUSED);
    assert_int_equal(read_line(&flags, "--"), FLAGS_REFUSED);
    assert_int_equal(read_line(&flags, "--=x"), FLAGS_REFUSED);
}

TEST(flags, come_from_the_environment_where_they_are_not_given)
{
    struct flags flags;
    char *environment[] = {"ETCD_NAME=unheard", "ETCD_DATA_DIR=there", "ETCD_LOG_LEVEL=",
                           "ETCD_NAMES=x",      "PATH=/bin",           NULL};
    assert_int_equal(read_all(&flags, "--name=given", environment), FLAGS_GIVEN);
    assert_string_equal(flags.values[FLAG_NAME], "given");
    assert_string_equal(flags.values[FLAG_DATA_DIR], "there");
    assert_int_equal(flags.sources[FLAG_DATA_DIR], FLAG_SOURCE_ENVIRONMENT);
    assert_string_equal(flags.values[FLAG_LOG_LEVEL], "info");
}

TEST(flags, of_the_environment_are_blamed_by_their_variable)
{
    struct flags flags;
    char *environment[] = {"ETCD_CLIENT_CERT_AUTH=true", NULL};
    assert_int_equal(read_all(&flags, "", environment), FLAGS_REFUSED);
    assert_string_equal(flags.error, "ETCD_CLIENT_CERT_AUTH cannot be used: TLS is not there yet");
}

/* Nobody may believe that his cluster speaks TLS when it does not. */
TEST(flags, that_ask_for_what_is_not_there_are_refused)
{
    struct flags flags;
    assert_int_equal(read_line(&flags, "--cert-file=x.pem"), FLAGS_REFUSED);
    assert_string_equal(flags.error, "-cert-file cannot be used: TLS is not there yet");
    assert_int_equal(read_line(&flags, "--cert-file="), FLAGS_GIVEN);
    assert_int_equal(read_line(&flags, "--auto-tls=false"), FLAGS_GIVEN);
    assert_int_equal(read_line(&flags, "--auto-tls"), FLAGS_REFUSED);
    assert_int_equal(read_line(&flags, "--unsafe-no-fsync"), FLAGS_REFUSED);
}

TEST(flags, lead_to_help_and_version)
{
    struct flags flags;
    assert_int_equal(read_line(&flags, "--help"), FLAGS_WANTS_HELP);
    assert_int_equal(read_line(&flags, "--name a -h"), FLAGS_WANTS_HELP);
    assert_int_equal(read_line(&flags, "-version"), FLAGS_WANTS_VERSION);
    assert_int_equal(read_line(&flags, "--name --version"), FLAGS_GIVEN); /* It is the name. */
}

TEST(flags, each_have_a_name_of_their_own_and_words_for_help)
{
    for (enum flag flag = 0; flag < FLAG_COUNT; flag++) {
        const struct flag_row *row = &flag_rows[flag];
        assert_true(row->effect == FLAG_EFFECT_IDLE || row->help[0] != '\0');
        assert_true(row->form == FLAG_FORM_SWITCH || row->value_word[0] != '\0');
        for (enum flag other = 0; other < flag; other++) {
            assert_string_not_equal(row->name, flag_rows[other].name);
        }
    }
}
