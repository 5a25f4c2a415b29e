// A message with a string_view is decoded, which would point into bytes that are gone.
#include <odeon/wire/codec.hpp>

#include <string>
#include <string_view>

struct deposit {
#ifdef ODEON_FIXED
  std::string account;
#else
  std::string_view account;
#endif
  long amount = 0;
};

auto use(const odeon::wire::bytes& b) { return odeon::wire::decode<deposit>(b); }  // mistake
