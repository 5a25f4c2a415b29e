#pragma once

#include "odeon/journal/tool.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

/// @file What a command prints, for the tests of commands.

namespace odeon {

struct printed {
  int code = -1;
  std::string out;
  std::string err;
};

/// Runs `command` with a terminal that keeps what is printed.
template <class Command>
printed run(Command command, bool progress = false) {
  char* texts[2] = {};
  std::size_t sizes[2] = {};
  printed p;
  std::FILE* out = ::open_memstream(&texts[0], &sizes[0]);
  std::FILE* err = ::open_memstream(&texts[1], &sizes[1]);
  p.code = command(journal_tool::terminal{.out = out, .err = err, .progress = progress});
  std::fclose(out);
  std::fclose(err);
  p.out.assign(texts[0], sizes[0]);
  p.err.assign(texts[1], sizes[1]);
  std::free(texts[0]);
  std::free(texts[1]);
  return p;
}

}  // namespace odeon
