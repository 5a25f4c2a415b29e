#include "internal/endpoint_state.hpp"
#include <odeon/remote/endpoint.hpp>

namespace odeon::remote {

endpoint::endpoint(std::shared_ptr<detail::endpoint_state> state) noexcept
    : state_(std::move(state)) {}

endpoint::~endpoint() { state_->close(); }

std::string endpoint::node() const { return state_->own_node(); }

result<address> endpoint::address_of(const any_ref& ref) const { return state_->address_of(ref); }

const address_resolver& endpoint::resolver() const noexcept { return *state_; }

std::vector<peer_info> endpoint::peers() const { return state_->peers(); }

endpoint_metrics endpoint::metrics() const { return state_->metrics(); }

result<void> endpoint::drop(std::string_view node, bool quarantine) {
  return state_->drop(node, quarantine);
}

message_table& endpoint::messages() const noexcept { return state_->messages(); }

runtime& endpoint::get_runtime() const noexcept { return state_->rt(); }

duration endpoint::default_limit() const noexcept {
  return odeon::detail::ask_timeout_of(state_->anchor());
}

void endpoint::resolve_any(std::string_view address, wanted wants, found_taker done) {
  state_->find_far(address, wants, std::move(done));
}

void endpoint::lookup_any(std::string_view node, std::string_view path, wanted wants,
                          found_taker done) {
  std::string whole(path);
  if (!whole.starts_with('/')) whole = "/user/" + whole;
  // The system's name is whichever runs there.
  state_->find_at({std::string(), std::string(node), std::move(whole), 0}, wants, std::move(done));
}

void endpoint::spawn_any(std::string_view node, std::string_view type, std::string_view name,
                         wire::bytes arguments, wanted wants, found_taker done) {
  state_->spawn_far(node, std::string(type), std::string(name), std::move(arguments), wants,
                    std::move(done));
}

void endpoint::register_maker(std::string type, maker make) {
  state_->register_maker(std::move(type), std::move(make));
}

}  // namespace odeon::remote
