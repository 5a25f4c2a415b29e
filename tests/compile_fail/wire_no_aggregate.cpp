// A class with private members is encoded.
#include <odeon/wire/codec.hpp>

#include <string>

class deposit {
#ifdef ODEON_FIXED
  ODEON_REFLECT(deposit, account_, amount_)
#endif
 public:
  deposit() = default;
  deposit(std::string account, long amount) : account_(std::move(account)), amount_(amount) {}

 private:
  std::string account_;
  long amount_ = 0;
};

auto use(const deposit& d) { return odeon::wire::encode(d); }  // mistake
