// A message with a pointer is encoded.
#include <odeon/wire/codec.hpp>

#include <string>

struct deposit {
  long amount = 0;
#ifdef ODEON_FIXED
  std::string account;
#else
  const char* account = nullptr;
#endif
};

auto use(const deposit& d) { return odeon::wire::encode(d); }  // mistake
