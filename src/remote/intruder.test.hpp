#pragma once

#include "remote/attacker.test.hpp"
#include "remote/hub_net.test.hpp"
#include "remote/internal/records.hpp"

/// @file A node that has shaken hands with a hub as any other, and then says what it likes.

namespace hub_test {

class intruder {
 public:
  /// As `node`, in an incarnation of its own. `stream`: of several; 0 begins an association.
  intruder(simulated_runtime& rt, test_net& net, std::string_view to, std::string node,
           std::uint64_t incarnation = 0xbadbad, unsigned stream = 0)
      : rt_(rt),
        me_(options(to, std::move(node), incarnation, stream)) {
    net.connect(to, {}, [this](result<std::unique_ptr<connection>> c) {
      if (c) mine_ = std::move(*c);
    });
    rt_.settle();
    REQUIRE(mine_ != nullptr);
    flush();
    read_on();
    rt_.settle();
    if (me_.at() == handshake::step::done)
      frames_.emplace(frame_check(protection::none, me_.keys().dialer));
  }
  intruder(const intruder&) = delete;
  ~intruder() {
    mine_.reset();
    rt_.settle();  // the last read has been told
  }

  [[nodiscard]] bool is_in() const noexcept { return frames_.has_value(); }
  [[nodiscard]] bool is_closed() const noexcept { return closed_; }
  [[nodiscard]] const std::optional<error>& refusal() const noexcept { return refusal_; }
  [[nodiscard]] std::size_t bytes_read() const noexcept { return bytes_; }

  /// A frame with the right counter and check around what `write` appends.
  template <class Write>
  wire::bytes frame(lane l, Write&& write) {
    wire::buffer out;
    const std::size_t begun = frames_->begin(out, l);
    write(out);
    frames_->close(out, begun);
    frames_->seal(out);
    return out.to_bytes();
  }
  template <class Write>
  void send(lane l, Write&& write) {
    raw(frame(l, std::forward<Write>(write)));
  }
  void raw(wire::bytes bytes) {
    if (closed_) return;
    const auto kept = std::make_shared<wire::bytes>(std::move(bytes));
    mine_->write(const_bytes(*kept), [kept](const result<void>&) {});
    rt_.settle();
  }
  void record(const records::any& r) { record(records::to_bytes(r)); }
  void record(const wire::bytes& bytes) {
    send(lane::control, [&](wire::buffer& out) {
      append_word(out, std::uint8_t{1});
      append_varint(out, ++records_);
      append_varint(out, bytes.size());
      out.append(bytes);
    });
  }
  void pong() {
    send(lane::control, [](wire::buffer& out) {
      append_word(out, std::uint8_t{5});
      append_word(out, std::uint64_t{1});
    });
  }

 private:
  static session_options options(std::string_view to, std::string node, std::uint64_t who,
                                 unsigned stream) {
    session_options o = session_test::options_of(role::dialer);
    o.system = "sys";
    o.node = std::move(node);
    o.to = to;
    o.incarnation = who;
    o.stream = stream;
    o.streams = stream + 1;
    return o;
  }
  void flush() {
    wire::bytes out = me_.out().to_bytes();
    me_.out().clear();
    if (!out.empty()) raw(std::move(out));
  }
  void read_on() {
    mine_->read(room_, [this](result<std::size_t> n) {
      if (!n || *n == 0) {
        closed_ = true;
        return;
      }
      bytes_ += *n;
      if (me_.at() != handshake::step::done && !refusal_) {
        heard_.insert(heard_.end(), room_.begin(), room_.begin() + std::ptrdiff_t(*n));
        const auto taken = me_.receive(heard_);
        if (!taken)
          refusal_ = taken.error();
        else
          heard_.erase(heard_.begin(), heard_.begin() + std::ptrdiff_t(*taken));
        flush();
      }
      read_on();
    });
  }

  simulated_runtime& rt_;
  handshake me_;
  std::unique_ptr<connection> mine_;
  std::optional<frame_writer> frames_;
  std::optional<error> refusal_;
  wire::bytes heard_;
  std::array<std::byte, 4096> room_{};
  std::size_t bytes_ = 0;
  std::uint64_t records_ = 0;
  bool closed_ = false;
};

}  // namespace hub_test
