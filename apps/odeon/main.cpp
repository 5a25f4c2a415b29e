#include "odeon/cli.hpp"

int main(int argc, char** argv) { return odeon::run_program(argc, argv, ODEON_VERSION); }
