#include <odeon/core/log.hpp>
#include <odeon/core/log_sink.hpp>

#include <fmt/args.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>

namespace odeon {

namespace detail {

namespace {

std::atomic<log_level> level_now{log_level::info};

struct chosen_sink {
  std::mutex mutex;
  std::shared_ptr<const log_sink> sink;
};
/// Leaked on purpose, as the sink below is.
chosen_sink& chosen() {
  static auto* instance = new chosen_sink;
  return *instance;
}

spdlog::logger& sink() {
  // Leaked on purpose: actors of static systems log until the very end.
  static auto* instance = [] {
    auto* l = new spdlog::logger("odeon", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    l->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%-5l%$ %v");
    l->set_level(spdlog::level::trace);
    return l;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(log_level l) noexcept {
  switch (l) {
    case log_level::trace: return spdlog::level::trace;
    case log_level::debug: return spdlog::level::debug;
    case log_level::info: return spdlog::level::info;
    case log_level::warn: return spdlog::level::warn;
    case log_level::error: return spdlog::level::err;
    case log_level::off: return spdlog::level::off;
  }
  return spdlog::level::off;
}

}  // namespace

bool log_enabled(log_level level) noexcept {
  return level >= level_now.load(std::memory_order_relaxed);
}

void log_write(log_level level, const std::string& name, std::string_view format,
               std::span<const log_arg> args) {
  std::string text;
  try {
    fmt::dynamic_format_arg_store<fmt::format_context> store;
    for (const log_arg& a : args) {
      switch (a.which()) {
        case log_arg::kind::boolean: store.push_back(a.integer() != 0); break;
        case log_arg::kind::integer: store.push_back(a.integer()); break;
        case log_arg::kind::natural: store.push_back(a.natural()); break;
        case log_arg::kind::real: store.push_back(a.real()); break;
        case log_arg::kind::text: store.push_back(a.text()); break;
      }
    }
    text = fmt::vformat(fmt::string_view(format.data(), format.size()), store);
  } catch (const std::exception& e) {
    text = std::string(format) + " [wrong format: " + e.what() + "]";
  }
  try {
    std::shared_ptr<const log_sink> own;
    {
      const std::lock_guard guard(chosen().mutex);
      own = chosen().sink;
    }
    if (own) {
      (*own)(level, name, text);
      return;
    }
    sink().log(to_spdlog(level), "{} {}", name, text);
  } catch (...) {
    // A log that cannot be written is no reason to fail.
  }
}

}  // namespace detail

void set_log_level(log_level level) noexcept {
  detail::level_now.store(level, std::memory_order_relaxed);
}

void set_log_sink(log_sink sink) {
  auto next = sink ? std::make_shared<const log_sink>(std::move(sink)) : nullptr;
  const std::lock_guard guard(detail::chosen().mutex);
  detail::chosen().sink.swap(next);
}

}  // namespace odeon
