#include "integration/wire/kinds.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <span>
#include <sstream>
#include <string>

/// @file Our side of the talk with other languages' codecs; `interop.py` is theirs.
///
///     peer generate SEED COUNT    writes COUNT random values of each kind in each format
///     peer convert                reads frames, answers each with the value in another format
///     peer vectors FILE           each line of committed bytes is read and written in each format
///
/// A frame is the line "kind format [format] size" and that many bytes; an answer "ok size" and
/// bytes, or "error size" and a sentence.

namespace {

using namespace interop;
namespace wire = odeon::wire;

constexpr wire::format formats[] = {wire::format::msgpack, wire::format::compact,
                                    wire::format::cbor, wire::format::json};

const kind* kind_named(std::string_view name) {
  for (const kind& k : kinds) {
    if (k.name == name) return &k;
  }
  return nullptr;
}

void put(std::string_view head, std::span<const std::byte> body) {
  std::cout << head << ' ' << body.size() << '\n' << wire::as_text(body);
}

int generate(std::uint64_t seed, int count) {
  dice roll(seed);
  for (const kind& k : kinds) {
    for (int i = 0; i < count; ++i) {
      const auto all = k.generate(roll, formats);
      for (std::size_t f = 0; f < std::size(formats); ++f) {
        put(std::string(k.name) + ' ' + std::string(wire::to_string(formats[f])), all[f]);
      }
    }
  }
  return 0;
}

int convert() {
  std::string head;
  while (std::getline(std::cin, head)) {
    std::istringstream words(head);
    std::string name;
    std::string from;
    std::string to;
    std::size_t size = 0;
    words >> name >> from >> to >> size;
    std::string body(size, '\0');
    std::cin.read(body.data(), static_cast<std::streamsize>(size));
    const kind* k = kind_named(name);
    if (k == nullptr || !std::cin) return 2;
    const auto out = k->convert(wire::as_bytes(body), wire::format_named(from).value(),
                                wire::format_named(to).value());
    if (out) {
      put("ok", *out);
    } else {
      put("error", wire::as_bytes(out.error().to_string()));
    }
  }
  return 0;
}

wire::bytes from_hex(const std::string& digits) {
  wire::bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return out;
}

// A line: the kind, and one value in hexadecimal digits for each of the formats.
int vectors(const char* path) {
  std::ifstream in(path);
  std::string text;
  int lines = 0;
  int wrong = 0;
  while (std::getline(in, text)) {
    if (text.starts_with('#')) continue;
    std::istringstream words(text);
    std::string name;
    words >> name;
    const kind* k = kind_named(name);
    std::vector<wire::bytes> all;
    for (std::string hex; words >> hex;) all.push_back(from_hex(hex));
    if (k == nullptr || all.size() != std::size(formats)) return 2;
    ++lines;
    for (std::size_t f = 0; f < all.size(); ++f) {
      for (std::size_t g = 0; g < all.size(); ++g) {
        const auto out = k->convert(all[f], formats[f], formats[g]);
        if (out && *out == all[g]) continue;
        ++wrong;
        std::cout << "wrong: " << wire::to_string(formats[f]) << " as "
                  << wire::to_string(formats[g]) << " of " << text << '\n'
                  << (out ? "other bytes" : out.error().to_string()) << '\n';
      }
    }
  }
  std::cout << lines << " values in " << std::size(formats) << " formats, " << wrong << " wrong\n";
  return wrong == 0 && lines != 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "generate" && argc == 4) {
    return generate(std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]));
  }
  if (what == "convert") return convert();
  if (what == "vectors" && argc == 3) return vectors(argv[2]);
  std::cerr << "peer generate SEED COUNT | convert | vectors FILE\n";
  return 2;
}
