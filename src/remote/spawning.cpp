// Actors that another node asks for: of registered types only, and only with permission. They are
// made on the system's own threads, since a constructor may take its time.

#include "internal/endpoint_state.hpp"

namespace odeon::remote::detail {

namespace {

class work final : public runnable {
 public:
  explicit work(std::move_only_function<void()> f) : runnable(&run), f_(std::move(f)) {}

 private:
  static void run(runnable& r) noexcept {
    const std::unique_ptr<work> own(static_cast<work*>(&r));
    own->f_();
  }
  std::move_only_function<void()> f_;
};

records::answer refusal(std::uint64_t id, const error& why) {
  return {.id = id,
          .code = static_cast<int>(why.code()),
          .text = std::string(why.text()),
          .found = {},
          .differs = {}};
}

}  // namespace

void endpoint_state::register_maker(std::string type, actor_maker make) {
  const std::lock_guard guard(makers_mutex_);
  if (!makers_.try_emplace(type, std::move(make)).second)
    throw actor_error(errc::name_taken,
                      "an actor type is registered as \"" + type + "\" at this endpoint already");
}

void endpoint_state::spawn_far(std::string_view node, std::string type, std::string called,
                               wire::bytes arguments,
                               std::span<const core::travelling* const> wants, found_taker done) {
  auto at = find_peer(node);
  if (!at) return done(std::unexpected(std::move(at).error()));
  question q{at->get(), {wants.begin(), wants.end()}, "a new " + type, std::move(done)};
  put_question(*std::move(at), std::move(q), [&](std::uint64_t id) {
    return records::spawn{id, std::move(type), std::move(called), std::move(arguments),
                          contracts_.claims(wants)};
  });
}

void endpoint_state::on(peer& from, records::spawn& r) {
  const auto refuse = [&](errc code, std::string text) {
    from.send_control(records::to_bytes(refusal(r.id, {code, std::move(text)})));
  };
  if (!allowed_.spawn)
    return refuse(errc::refused, "actors may not be spawned from elsewhere: permissions::spawn");
  const auto who = from.info();
  if (allowed_.may_spawn && !allowed_.may_spawn(who ? *who : peer_info{}, r.type))
    return refuse(errc::refused, "this node may not spawn \"" + r.type + "\"");
  auto ties = ties_of(from);
  if (!ties) return;
  {
    const std::lock_guard guard(makers_mutex_);
    if (!makers_.contains(r.type))
      return refuse(errc::not_found, "no actor type is registered as \"" + r.type + "\"");
    if (spawned_.size() + spawning_ >= allowed_.spawned)
      std::erase_if(spawned_, [](const any_ref& a) { return a.is_terminated(); });
    if (spawned_.size() + spawning_ >= allowed_.spawned)
      return refuse(errc::limit_exceeded, "actors spawned from elsewhere are at their bound, " +
                                              std::to_string(allowed_.spawned));
    ++spawning_;
  }
  auto job = [self = shared_from_this(), ties, r = std::move(r)] { self->spawn_here(ties, r); };
  system_.scheduler().submit(*new work(std::move(job)));
}

void endpoint_state::spawn_here(const std::shared_ptr<peer_ties>& from, const records::spawn& r) {
  actor_maker make;
  {
    const std::lock_guard guard(makers_mutex_);
    make = makers_.find(r.type)->second;
  }
  spawn_options options;
  options.name = r.called;
  result<any_ref> made;
  try {
    made = make(system_, std::move(options), r.arguments, context_);
  } catch (const actor_error& e) {
    made = std::unexpected(e.reason());
  } catch (const std::exception& e) {
    made = fail(errc::spawn_failed, e.what());
  }
  records::answer out = made ? check_claims(r.id, *made, r.wants) : refusal(r.id, made.error());
  if (made && out.code != 0) system_.stop(*made);
  {
    const std::lock_guard guard(makers_mutex_);
    --spawning_;
    if (made && out.code == 0) spawned_.push_back(*made);
  }
  from->at->send_control(records::to_bytes(out));
}

}  // namespace odeon::remote::detail
