#include <odeon/net/http_body.hpp>

namespace odeon {

future<std::string> http_reader::read() {
  auto [kept, value] = promise<std::string>::make(*rt_);
  source_->read(
      [p = std::move(kept)](result<std::string> r) mutable { (void)p.set_result(std::move(r)); });
  return std::move(value);
}
task<std::string> http_reader::read_all(std::size_t most) {
  std::string all;
  for (;;) {
    const std::string part = co_await read();
    if (part.empty()) co_return all;
    if (all.size() + part.size() > most)
      throw actor_error(errc::limit_exceeded,
                        "the body is larger than " + std::to_string(most) + " bytes");
    all += part;
  }
}

namespace {

template <class Start>
future<void> as_future(runtime& rt, Start start) {
  auto [kept, value] = promise<void>::make(rt);
  start([p = std::move(kept)](result<void> r) mutable { (void)p.set_result(std::move(r)); });
  return std::move(value);
}

}  // namespace

future<void> http_writer::write(std::string bytes) {
  return as_future(*rt_, [&](write_done d) { sink_->write(std::move(bytes), std::move(d)); });
}
void http_writer::end(write_done done) {
  const auto sink = std::move(sink_);
  sink->end(std::move(done));
}
future<void> http_writer::end() {
  return as_future(*rt_, [this](write_done d) { end(std::move(d)); });
}
void http_writer::abort() noexcept {
  if (const auto sink = std::move(sink_)) sink->abort();
}

}  // namespace odeon
