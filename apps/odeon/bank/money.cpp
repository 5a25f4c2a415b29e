#include "odeon/bank/money.hpp"

#include <charconv>
#include <system_error>

namespace odeon::bank {

namespace {

bool only_digits(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::unexpected<error> unreadable() {
  return fail(errc::bad_encoding, "the amount is not a number such as 12 or 12.50");
}

}  // namespace

result<cents> parse_amount(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = text.find('.');
  const std::string_view units = text.substr(0, point);
  const std::string_view hundredths =
      point == std::string_view::npos ? "00" : text.substr(point + 1);
  if (units.empty() || !only_digits(units)) return unreadable();
  if (hundredths.empty() || !only_digits(hundredths)) return unreadable();
  if (hundredths.size() > 2)
    return fail(errc::bad_encoding, "the amount has more than two digits behind the point");

  cents whole = 0;
  const std::errc why = std::from_chars(units.data(), units.data() + units.size(), whole).ec;
  cents part = hundredths[0] - '0';
  part = part * 10 + (hundredths.size() == 2 ? hundredths[1] - '0' : 0);
  if (why == std::errc::result_out_of_range || whole > (max_money - part) / 100)
    return fail(errc::limit_exceeded, "the amount is larger than " + show_amount(max_money));
  const cents amount = whole * 100 + part;
  if (amount == 0) return fail(errc::invalid_argument, "the amount is zero");
  if (negative) return fail(errc::invalid_argument, "the amount is negative");
  return amount;
}

std::string format_amount(cents amount) {
  const bool negative = amount < 0;
  const auto size =
      negative ? -static_cast<std::uint64_t>(amount) : static_cast<std::uint64_t>(amount);
  const auto part = size % 100;
  return (negative ? "-" : "") + std::to_string(size / 100) + (part < 10 ? ".0" : ".") +
         std::to_string(part);
}

std::string show_amount(cents amount) {
  std::string text = format_amount(amount);
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  for (std::size_t at = text.size() - 3; at > first + 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

}  // namespace odeon::bank
