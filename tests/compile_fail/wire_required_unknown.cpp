// A message asks for a field that it does not have.
#include <odeon/wire/codec.hpp>

#include <string>

struct deposit {
#ifdef ODEON_FIXED
  static constexpr auto required = odeon::wire::fields("account");
#else
  static constexpr auto required = odeon::wire::fields("acount");
#endif
  std::string account;
  long amount = 0;
};

auto use(const deposit& d) { return odeon::wire::encode(d); }
