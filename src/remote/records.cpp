#include "internal/records.hpp"

#include "internal/protocol.hpp"
#include <odeon/wire/standard.hpp>
#include <odeon/wire/wire.hpp>

namespace odeon::remote::detail {

wire::bytes records::to_bytes(const any& record) { return wire::encode(record); }

namespace {

/// Names are kept, with watches and questions, by whoever gets them.
bool fits(const records::name& n) noexcept { return n.path.size() <= name_bytes_max; }

struct fitting {
  bool operator()(const records::watch& r) const noexcept {
    return fits(r.target) && fits(r.watcher);
  }
  bool operator()(const records::unwatch& r) const noexcept {
    return fits(r.target) && fits(r.watcher);
  }
  bool operator()(const records::link& r) const noexcept { return fits(r.target) && fits(r.other); }
  bool operator()(const records::unlink& r) const noexcept {
    return fits(r.target) && fits(r.other);
  }
  bool operator()(const records::ended& r) const noexcept { return fits(r.who) && fits(r.to); }
  bool operator()(const records::stop& r) const noexcept { return fits(r.target); }
  bool operator()(const records::resolve& r) const noexcept { return fits(r.target); }
  bool operator()(const records::spawn& r) const noexcept {
    return r.type.size() <= name_bytes_max && r.called.size() <= name_bytes_max;
  }
  bool operator()(const records::answer& r) const noexcept { return fits(r.found); }
  bool operator()(const records::ask_failed&) const noexcept { return true; }
};

}  // namespace

result<records::any> records::from_bytes(std::span<const std::byte> bytes) {
  auto read = wire::decode<any>(bytes);
  if (read && !std::visit(fitting{}, *read))
    return fail(errc::limit_exceeded, "a control record has a name of more than " +
                                          std::to_string(name_bytes_max) + " bytes");
  return read;
}

errc code_of(int value) noexcept {
  const auto code = static_cast<errc>(value);
  return value > 0 && to_string(code) != "unknown" ? code : errc::handler_failed;
}

}  // namespace odeon::remote::detail
