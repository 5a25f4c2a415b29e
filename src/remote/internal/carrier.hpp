#pragma once

#include <odeon/base/error.hpp>
#include <odeon/remote/options.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/runtime/transport.hpp>

#include <functional>
#include <memory>
#include <string>

/// @file Which transport an endpoint uses, and how nodes are written for it.

namespace odeon::remote::detail {

class carrier {
 public:
  /// Told of who was turned away before there was a connection: its address, and why.
  using refusal = std::function<void(std::string_view, const error&)>;

  /// The transport that `listen` and `security` name, or the one that is given.
  [[nodiscard]] static result<std::unique_ptr<carrier>> make(runtime& rt,
                                                             const endpoint_options& options,
                                                             refusal refused);

  [[nodiscard]] transport& way() noexcept { return *way_; }
  /// What `transport::listen` takes; "" when it is only outward.
  [[nodiscard]] const std::string& listen_on() const noexcept { return listen_on_; }
  /// How others name this node, when it listens there.
  [[nodiscard]] std::string node_of(const std::string& local_address) const;
  /// What `transport::connect` takes. `invalid_argument`: that is no address of this transport, or
  /// one of a network that nothing protects.
  [[nodiscard]] result<std::string> dial(std::string_view node) const;
  /// The host that limits count by.
  [[nodiscard]] static std::string host_of_peer(const std::string& address);

 private:
  [[nodiscard]] result<void> make_transport(runtime& rt, const endpoint_options& options,
                                            refusal refused);

  std::unique_ptr<transport> base_;  // under a WebSocket's, or the only one
  std::unique_ptr<transport> own_;
  transport* way_ = nullptr;
  std::string scheme_, listen_on_, path_;
  bool only_loopback_ = false;
};

}  // namespace odeon::remote::detail
