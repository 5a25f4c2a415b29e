#include "internal/http_head.hpp"
#include "internal/http_text.hpp"
#include "internal/websocket_core.hpp"
#include <odeon/net/http_client.hpp>
#include <odeon/net/websocket.hpp>

#include <algorithm>
#include <utility>

namespace odeon {

using namespace http_detail;
using detail::websocket_core;

// -- the handle -----------------------------------------------------------------------------------

websocket& websocket::operator=(websocket&& o) noexcept {
  if (this != &o) {
    if (core_) core_->let_go();
    core_ = std::move(o.core_);
  }
  return *this;
}
websocket::~websocket() {
  if (core_) core_->let_go();
}
void websocket::receive(receive_done done) { core_->receive(std::move(done)); }
future<std::optional<websocket_message>> websocket::receive() {
  auto [kept, value] = promise<std::optional<websocket_message>>::make(core_->rt);
  receive([p = std::move(kept)](result<std::optional<websocket_message>> r) mutable {
    (void)p.set_result(std::move(r));
  });
  return std::move(value);
}
void websocket::send_text(std::string text, send_done done) {
  core_->send(opcode::text, std::move(text), std::move(done));
}
void websocket::send_binary(std::string bytes, send_done done) {
  core_->send(opcode::binary, std::move(bytes), std::move(done));
}
future<void> websocket::send_text(std::string text) {
  auto [kept, value] = promise<void>::make(core_->rt);
  send_text(std::move(text),
            [p = std::move(kept)](result<void> r) mutable { (void)p.set_result(std::move(r)); });
  return std::move(value);
}
future<void> websocket::send_binary(std::string bytes) {
  auto [kept, value] = promise<void>::make(core_->rt);
  send_binary(std::move(bytes),
              [p = std::move(kept)](result<void> r) mutable { (void)p.set_result(std::move(r)); });
  return std::move(value);
}
std::size_t websocket::unsent() const noexcept { return core_->unsent(); }
void websocket::close(int code, std::string reason) { core_->close(code, std::move(reason)); }
void websocket::abort() noexcept { core_->abort_now(); }
std::optional<websocket_close> websocket::closed() const { return core_->closed(); }
const std::string& websocket::subprotocol() const noexcept { return core_->subprotocol; }
const std::string& websocket::peer_address() const noexcept { return core_->peer; }
const std::string& websocket::local_address() const noexcept { return core_->local; }
std::string_view websocket::peer_identity() const noexcept { return core_->identity; }

// -- servers --------------------------------------------------------------------------------------

namespace {

/// Calls `f` for each element of a list that is parted by `by`, until it gives true.
template <class F>
bool any_of_list(std::string_view list, char by, F f) {
  while (!list.empty()) {
    const auto end = std::min(list.find(by), list.size());
    if (f(trimmed(list.substr(0, end)))) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}
/// Whether an offer or an answer of permessage-deflate is one of ours: without context takeover,
/// and with windows of any size that needs no care.
bool is_plain_deflate(std::string_view extension) {
  bool first = true, good = true, named = false;
  (void)any_of_list(extension, ';', [&](std::string_view p) {
    if (std::exchange(first, false))
      named = equal_ignoring_case(p, "permessage-deflate");
    else if (!equal_ignoring_case(p, "server_no_context_takeover") &&
             !equal_ignoring_case(p, "client_no_context_takeover") &&
             !equal_ignoring_case(p, "client_max_window_bits") &&
             !equal_ignoring_case(p, "client_max_window_bits=15") &&
             !equal_ignoring_case(p, "server_max_window_bits=15"))
      good = false;
    return false;
  });
  return named && good;
}
constexpr std::string_view plain_deflate =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

class websocket_route final : public detail::http_upgrade {
 public:
  websocket_route(websocket_handler h, websocket_options o)
      : handler_(std::move(h)),
        options_(std::move(o)) {}

  [[nodiscard]] http_response check(const http_request& r) const override {
    if (r.fields.count("Sec-WebSocket-Version") != 1 ||
        r.fields.get("Sec-WebSocket-Version") != "13") {
      http_response no = http_text(426, "this server speaks version 13 of WebSocket\n");
      no.fields.set("Sec-WebSocket-Version", "13");
      return no;
    }
    const auto key = r.fields.get("Sec-WebSocket-Key");
    if (r.fields.count("Sec-WebSocket-Key") != 1 || key->size() != 24 || !key->ends_with("=="))
      return http_text(400, "the handshake has no key of 16 bytes\n");
    if (!is_from_here(r)) return http_text(403, "that origin may not connect\n");
    if (options_.refuse)
      if (auto no = options_.refuse(r)) return std::move(*no);
    http_response yes{.status = 101};
    yes.fields.set("Connection", "Upgrade");
    yes.fields.set("Upgrade", "websocket");
    yes.fields.set("Sec-WebSocket-Accept", websocket_accept(*key));
    if (const std::string p = chosen_protocol(r); !p.empty())
      yes.fields.set("Sec-WebSocket-Protocol", p);
    if (deflates(r)) yes.fields.set("Sec-WebSocket-Extensions", plain_deflate);
    return yes;
  }
  void take(http_request r, std::unique_ptr<connection> c, std::string rest,
            std::shared_ptr<detail::http_member> member) const override {
    runtime& rt = detail::runtime_of(*member);
    auto core = std::make_shared<websocket_core>(
        websocket_core::parts{&rt, std::move(c), std::move(rest), true, deflates(r),
                              chosen_protocol(r), std::move(member)},
        options_);
    core->start();
    handler_(std::move(r), websocket(std::move(core)));
  }

 private:
  [[nodiscard]] bool is_from_here(const http_request& r) const {
    const auto origin = r.fields.get("Origin");
    if (!origin) return true;  // no browser
    if (r.fields.count("Origin") > 1) return false;
    for (const std::string& good : options_.origins)
      if (good == "*" || equal_ignoring_case(good, *origin)) return true;
    const auto host = r.fields.get("Host").value_or("");
    const auto mark = origin->find("://");
    return mark != std::string_view::npos && equal_ignoring_case(origin->substr(mark + 3), host);
  }
  [[nodiscard]] std::string chosen_protocol(const http_request& r) const {
    for (const std::string& mine : options_.subprotocols)
      for (std::size_t i = 0; i < r.fields.size(); ++i)
        if (const auto [name, value] = r.fields[i];
            equal_ignoring_case(name, "Sec-WebSocket-Protocol") &&
            any_of_list(value, ',', [&](std::string_view p) { return p == mine; }))
          return mine;
    return {};
  }
  [[nodiscard]] bool deflates(const http_request& r) const {
    const auto offers = r.fields.get("Sec-WebSocket-Extensions");
    return options_.deflate && offers && any_of_list(*offers, ',', is_plain_deflate);
  }

  const websocket_handler handler_;
  const websocket_options options_;
};

}  // namespace

void add_websocket(http_routes& routes, std::string_view pattern, websocket_handler handler,
                   websocket_options options) {
  routes.add_upgrade(pattern,
                     std::make_shared<websocket_route>(std::move(handler), std::move(options)));
}

// -- clients --------------------------------------------------------------------------------------

namespace {

using connected = std::move_only_function<void(result<websocket>)>;

/// A handshake under way: one write, then reads until the head of the answer is there.
class handshake final : public std::enable_shared_from_this<handshake> {
 public:
  handshake(runtime& rt, http_url url, websocket_options o, http_fields fields, connected done)
      : rt_(rt),
        url_(std::move(url)),
        options_(std::move(o)),
        fields_(std::move(fields)),
        done_(std::move(done)) {}

  void start(transport& t) {
    const time_point now = rt_.now(clock_domain::housekeeping);
    deadline_.emplace(rt_, [weak = weak_from_this()] {
      if (const auto self = weak.lock())
        self->section_.enter([self] {
          self->over({errc::ask_timeout, "no handshake of WebSocket with " +
                                             self->url_.authority() + " in time (handshake_time)"});
        });
    });
    deadline_->set(now + options_.handshake_time);
    t.connect(to_string(host_and_port{url_.host, url_.port}), {.timeout = options_.handshake_time},
              [self = shared_from_this()](result<std::unique_ptr<connection>> c) {
                self->section_.enter(
                    [self, c = std::move(c)]() mutable { self->is_connected(std::move(c)); });
              });
  }

 private:
  void is_connected(result<std::unique_ptr<connection>> c) {
    if (!done_) return;
    if (!c) return over(std::move(c.error()));
    way_ = std::move(*c);
    std::array<char, 16> nonce{};
    rt_.random(std::as_writable_bytes(std::span(nonce)));
    key_ = base64({nonce.data(), nonce.size()});
    out_ = "GET " + url_.target + " HTTP/1.1\r\nHost: " + url_.authority() +
           "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: " +
           key_ + "\r\n";
    std::string protocols;
    for (const std::string& p : options_.subprotocols)
      protocols += (protocols.empty() ? "" : ", ") + p;
    if (!protocols.empty()) out_ += "Sec-WebSocket-Protocol: " + protocols + "\r\n";
    if (options_.deflate)
      out_.append("Sec-WebSocket-Extensions: ").append(plain_deflate).append("\r\n");
    for (std::size_t i = 0; i < fields_.size(); ++i)
      out_.append(fields_[i].name).append(": ").append(fields_[i].value).append("\r\n");
    out_ += "\r\n";
    way_->write(std::as_bytes(std::span(out_)), [self = shared_from_this()](result<void> r) {
      self->section_.enter([self, r = std::move(r)] {
        if (!r) self->over(r.error());
      });
    });
    read();
  }
  void read() {
    in_.resize(in_.size() + 1024);
    way_->read(std::as_writable_bytes(std::span(in_)).last(1024),
               [self = shared_from_this()](result<std::size_t> r) {
                 self->section_.enter([self, r = std::move(r)] { self->came(r); });
               });
  }
  void came(const result<std::size_t>& r) {
    if (!done_) return;
    if (!r) return over(r.error());
    in_.resize(in_.size() - 1024 + *r);
    if (*r == 0) return no("it ended the connection");
    const auto size = scan_.look(in_, {limit, limit, 100}, false);
    if (!size) return no(size.error().why);
    if (*size == 0) return read();
    const auto head = parse_response_head(std::string_view(in_).substr(0, *size), false);
    if (!head) return no(head.error().why);
    const http_fields& f = head->response.fields;
    if (head->response.status != 101)
      return no("it answered with the status " + std::to_string(head->response.status));
    if (!f.has_token("Connection", "upgrade") || !f.has_token("Upgrade", "websocket") ||
        f.get("Sec-WebSocket-Accept") != websocket_accept(key_))
      return no("its handshake is not the answer to ours");
    const std::string protocol(f.get("Sec-WebSocket-Protocol").value_or(""));
    if (!protocol.empty() &&
        std::ranges::find(options_.subprotocols, protocol) == options_.subprotocols.end())
      return no("it chose a subprotocol that was not offered");
    const auto extension = f.get("Sec-WebSocket-Extensions");
    if (extension && (!options_.deflate || !is_plain_deflate(*extension) ||
                      !extension->contains("server_no_context_takeover")))
      return no("it chose an extension that was not offered");
    deadline_.reset();
    auto core = std::make_shared<websocket_core>(
        websocket_core::parts{&rt_, std::move(way_), in_.substr(*size), false,
                              extension.has_value(), protocol, nullptr},
        options_);
    core->start();
    std::exchange(done_, nullptr)(websocket(std::move(core)));
  }
  void no(const std::string& why) {
    over({errc::incompatible_peer,
          url_.authority() + " is no WebSocket server at " + printable(url_.target) + ": " + why});
  }
  void over(error why) {
    if (!done_) return;
    deadline_.reset();
    if (way_) way_->abort();
    std::exchange(done_, nullptr)(std::unexpected(std::move(why)));
  }

  static constexpr std::size_t limit = 16 * 1024;
  runtime& rt_;
  const http_url url_;
  const websocket_options options_;
  const http_fields fields_;
  section section_;
  connected done_;
  std::optional<deadline> deadline_;
  std::unique_ptr<connection> way_;
  std::string key_, out_, in_;
  head_scan scan_;
};

}  // namespace

void connect_websocket(runtime& rt, transport& t, std::string url, websocket_options options,
                       http_fields fields, connected done) {
  auto u = parse_url(url);
  if (!u) return done(std::unexpected(std::move(u.error())));
  if (u->scheme != "ws" && u->scheme != "wss")
    return done(
        fail(errc::invalid_argument, "the url '" + printable(url) + "' is not of ws or wss"));
  std::make_shared<handshake>(rt, std::move(*u), std::move(options), std::move(fields),
                              std::move(done))
      ->start(t);
}
future<websocket> connect_websocket(runtime& rt, transport& t, std::string url,
                                    websocket_options options, http_fields fields) {
  auto [kept, value] = promise<websocket>::make(rt);
  connect_websocket(
      rt, t, std::move(url), std::move(options), std::move(fields),
      [p = std::move(kept)](result<websocket> r) mutable { (void)p.set_result(std::move(r)); });
  return std::move(value);
}

}  // namespace odeon
