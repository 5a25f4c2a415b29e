#include "odeon/bank/transfer_file.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace odeon::bank {

namespace {

constexpr std::array<std::string_view, 4> columns = {"from", "to", "amount", "reference"};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_header(std::string_view line) {
  const auto fields = split_fields(line);
  return fields && std::ranges::equal(*fields, columns, same_word);
}

// Takes a quoted field off the front of `rest`, up to the comma behind it.
result<std::string> take_quoted(std::string_view& rest) {
  std::string field;
  rest.remove_prefix(1);
  for (;;) {
    const auto quote = rest.find('"');
    if (quote == std::string_view::npos)
      return fail(errc::bad_encoding, "a quoted field does not end on its line");
    field += rest.substr(0, quote);
    rest.remove_prefix(quote + 1);
    if (!rest.starts_with('"')) break;
    field += '"';
    rest.remove_prefix(1);
  }
  rest = rest.substr(std::min(rest.find_first_not_of(" \t"), rest.size()));
  if (!rest.empty() && rest.front() != ',')
    return fail(errc::bad_encoding, "text behind the end of a quoted field");
  return field;
}

result<void> check_name(std::string_view column, std::string_view name) {
  const std::string what = "the " + std::string(column) + " field";
  if (name.empty()) return fail(errc::missing_field, what + " is empty");
  if (name.size() > max_name_bytes)
    return fail(errc::limit_exceeded,
                what + " is longer than " + std::to_string(max_name_bytes) + " bytes");
  if (std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return fail(errc::bad_encoding, what + " has a control character");
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
    };
    const unsigned lead = byte(0);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(k) & 0xc0U) != 0x80U) return false;
    if (lead == 0xe0 && byte(1) < 0xa0) return false;   // overlong
    if (lead == 0xed && byte(1) >= 0xa0) return false;  // a surrogate
    if (lead == 0xf0 && byte(1) < 0x90) return false;   // overlong
    if (lead == 0xf4 && byte(1) >= 0x90) return false;  // above U+10FFFF
    i += length;
  }
  return true;
}

result<std::vector<std::string>> split_fields(std::string_view line) {
  std::vector<std::string> fields;
  std::string_view rest = line;
  for (;;) {
    const auto start = rest.find_first_not_of(" \t");
    if (start != std::string_view::npos && rest[start] == '"') {
      rest.remove_prefix(start);
      auto field = take_quoted(rest);
      if (!field) return std::unexpected(std::move(field).error());
      fields.push_back(*std::move(field));
    } else {
      const auto comma = std::min(rest.find(','), rest.size());
      fields.emplace_back(trimmed(rest.substr(0, comma)));
      rest.remove_prefix(comma);
    }
    if (rest.empty()) return fields;
    rest.remove_prefix(1);
  }
}

result<transfer> parse_transfer(std::string_view line) {
  if (!is_utf8(line)) return fail(errc::bad_encoding, "the line is not UTF-8");
  auto fields = split_fields(line);
  if (!fields) return std::unexpected(std::move(fields).error());
  if (fields->size() != columns.size())
    return fail(errc::bad_encoding, std::to_string(fields->size()) +
                                        (fields->size() == 1 ? " column" : " columns") +
                                        " instead of 4 (from,to,amount,reference)");
  transfer t{.from = std::move((*fields)[0]),
             .to = std::move((*fields)[1]),
             .reference = std::move((*fields)[3])};
  for (const auto& [column, name] :
       {std::pair{"from", &t.from}, std::pair{"to", &t.to}, std::pair{"reference", &t.reference}})
    if (auto fine = check_name(column, *name); !fine) return std::unexpected(fine.error());
  const auto amount = parse_amount((*fields)[2]);
  if (!amount) return std::unexpected(amount.error());
  t.amount = *amount;
  if (t.from == t.to)
    return fail(errc::invalid_argument, "from and to are the same account, " + t.from);
  return t;
}

result<transfer_file> transfer_file::open(const std::string& path) {
  auto lines = line_reader::open(path);
  if (!lines) return std::unexpected(std::move(lines).error());
  return transfer_file(*std::move(lines));
}

result<std::optional<transfer_file::entry>> transfer_file::next() {
  for (;;) {
    auto line = lines_.next();
    if (!line) return std::unexpected(std::move(line).error());
    if (!*line) return std::nullopt;
    const raw_line& raw = **line;
    if (raw.too_long)
      return rejected_line{raw.number,
                           "the line is longer than " + std::to_string(max_line_bytes) + " bytes"};
    if (trimmed(raw.text).empty()) continue;
    if (raw.number == 1 && is_header(raw.text)) continue;
    auto read = parse_transfer(raw.text);
    if (!read) return rejected_line{raw.number, std::string(read.error().text())};
    read->line = raw.number;
    return *std::move(read);
  }
}

}  // namespace odeon::bank
