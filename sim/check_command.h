/* check_command.h -- `synod-sim check`: judge a history from a file, or one made up. */
#ifndef SIM_CHECK_COMMAND_H
#define SIM_CHECK_COMMAND_H

/* The arguments behind `check`; argv[0] is that word. Returns the program's status: 0 if every
 * judge accepts, 1 if one does not, 2 for usage and for a file that cannot be read. */
int check_command(int argc, char **argv);

#endif /* SIM_CHECK_COMMAND_H */
