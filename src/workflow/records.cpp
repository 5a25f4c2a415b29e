#include <workflow/internal/records.hpp>

#include <mutex>
#include <set>

namespace odeon::workflows::detail {

namespace {

template <class... Rs>
result<run_record> decode_any(const event_view& e, std::variant<Rs...>*) {
  result<run_record> out =
      fail(errc::wrong_type, "event " + std::to_string(e.sequence) + " of '" +
                                 std::string(e.manifest) + "' is no record of a workflow");
  const auto read = [&]<class R>(std::type_identity<R>) {
    if (e.manifest != R::manifest) return;
    auto r = wire::decode_version<R>(static_cast<int>(e.version), e.payload);
    if (r)
      out = run_record(std::move(*r));
    else
      out = fail(r.error().code(),
                 "event " + std::to_string(e.sequence) + ": " + std::string(r.error().text()));
  };
  (read(std::type_identity<Rs>()), ...);
  return out;
}

struct leases {
  std::mutex mutex;
  std::set<std::pair<const void*, std::string>> taken;
  static leases& all() {
    static leases l;
    return l;
  }
};

}  // namespace

result<event_record> encode_record(const run_record& r, std::string_view workflow) {
  return std::visit(
      [&]<class R>(const R& one) -> result<event_record> {
        auto bytes = wire::try_encode(one);
        if (!bytes) return std::unexpected(bytes.error());
        event_record out;
        out.manifest = R::manifest;
        out.version = static_cast<std::uint32_t>(wire::version<R>);
        out.payload = std::move(*bytes);
        if (std::is_same_v<R, run_started> || std::is_same_v<R, run_finished>)
          out.tags = {"workflow:" + std::string(workflow)};
        return out;
      },
      r);
}

result<run_record> decode_record(const event_view& e) {
  return decode_any(e, static_cast<run_record*>(nullptr));
}

result<wire::tagged> record_value(const value_type& t, const value_ptr& v) {
  if (!t.encode)
    return fail(errc::no_codec, "a value of type " + std::string(t.name) +
                                    " cannot be recorded: wire does not know how to write it");
  auto bytes = t.encode(v.get());
  if (!bytes) return std::unexpected(bytes.error());
  return wire::tagged{std::string(t.manifest), t.version, wire::format::msgpack, std::move(*bytes)};
}

result<value_ptr> replay_value(const value_type& t, const wire::tagged& r) {
  if (r.manifest != t.manifest || !t.decode)
    return fail(errc::wrong_type, "a recorded value is of type '" + r.manifest + "', not '" +
                                      std::string(t.manifest) + "'");
  return t.decode(r.version, r.payload);
}

result<run_lease> run_lease::take(const void* journal, std::string id) {
  auto& all = leases::all();
  const std::lock_guard guard(all.mutex);
  if (!all.taken.emplace(journal, id).second)
    return fail(errc::name_taken, "the run '" + id + "' is under way already");
  return run_lease(journal, std::move(id));
}

run_lease::~run_lease() {
  if (!journal_) return;
  auto& all = leases::all();
  const std::lock_guard guard(all.mutex);
  all.taken.erase({journal_, id_});
}

}  // namespace odeon::workflows::detail
