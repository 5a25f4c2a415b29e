#include "remote_messages.hpp"

#include "ask.hpp"
#include "encoded.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/task/future.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace odeon::python {

namespace {

encoded_payload body_of(const wire::tagged_view& from) {
  auto body = std::make_shared<encoded_body>();
  body->manifest = from.manifest.empty() ? plain_value : from.manifest;
  body->version = from.version;
  body->payload.assign(from.payload.begin(), from.payload.end());
  return body;
}

wire::tagged tagged_of(const encoded_body& body) {
  return {body.manifest, body.version, wire::format::msgpack, body.payload};
}

result<void> check_form(const wire::tagged_view& from) {
  if (from.form == wire::format::msgpack) return {};
  return fail(errc::no_codec, std::string(from.manifest) + ": Python reads MessagePack alone");
}

result<detail::envelope*> read_far(const wire::tagged_view& from, bool extra,
                                   const wire::context&) {
  if (auto ok = check_form(from); !ok) return std::unexpected(std::move(ok).error());
  return make_far_envelope(body_of(from), extra);
}

result<wire::tagged> write_far(const void* message, const wire::context&) {
  return tagged_of(**static_cast<const far_payload*>(message));
}

/// What an actor of Python has answered to an asker elsewhere.
result<wire::tagged> bytes_of(const py_value& reply) {
  if (const auto* made = reply.made_by<decoded_later>()) return tagged_of(*made->body);
  return fail(errc::internal, "a reply for another node that is not encoded");
}

detail::ask_in_flight ask_far(detail::cell& to, detail::envelope& e, duration limit,
                              detail::reply_taker take) {
  auto* s = new py_ask_state();
  detail::ask_in_flight held(*s);
  detail::send_as_ask(to, e, *s, limit);
  future<py_value>(s).then([take = std::move(take)](result<py_value> r) {
    take(r ? bytes_of(*r) : result<wire::tagged>(std::unexpected(std::move(r).error())));
  });
  return held;
}

result<bool> settle_far(detail::ask_state_base& ask, const wire::tagged_view& reply,
                        const wire::context&) {
  if (auto ok = check_form(reply); !ok) {
    ask.fail(ok.error());
    return std::unexpected(std::move(ok).error());
  }
  return detail::fulfil<py_value>(ask, py_value(decoded_later{body_of(reply), ask.system}));
}

constexpr detail::travelling far_message{
    .type = nullptr,
    .manifest = {},
    .version = 1,
    .read = &read_far,
    .write = &write_far,
    .write_to = nullptr,
    .ask = &ask_far,
    .ask_with = nullptr,
    .settle = &settle_far,
    .describe = nullptr,
};

constexpr detail::foreign_messages of_python{
    .of_manifest = [](std::string_view) -> const detail::travelling* { return &far_message; },
    .of_type = [](const detail::message_type& type) -> const detail::travelling* {
      return is_far_message(type) ? &far_message : nullptr;
    },
};

}  // namespace

void let_python_travel(actor_system& system) { messages_of(system).set_foreign(of_python); }

const detail::travelling* named_message(const std::string& manifest) {
  constexpr std::size_t names_max = 65'536;
  struct known {
    std::string manifest;
    detail::travelling as = far_message;
  };
  static std::mutex mutex;
  static auto* all = new std::map<std::string, std::unique_ptr<known>, std::less<>>;
  const std::lock_guard guard(mutex);
  if (const auto found = all->find(manifest); found != all->end()) return &found->second->as;
  if (all->size() >= names_max) return nullptr;
  auto made = std::make_unique<known>();
  made->manifest = manifest;
  made->as.manifest = made->manifest;
  return &all->emplace(manifest, std::move(made)).first->second->as;
}

}  // namespace odeon::python
