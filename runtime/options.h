/* The command line of `sandbox exec`: options to struct config, and the help made from the same table. */
#pragma once

#include <stdio.h>

#include "runtime/config.h"

/* argv[0] is "exec". Fails (status 125, one line) on whatever is not understood. --help and --version end the process. */
void options_parse(struct config *c, int argc, char **argv);
void help_main(FILE *out);
void help_exec(FILE *out);
void help_syscalls(FILE *out);
void print_version(void);
