#pragma once

#include <odeon/stream/flow/async.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

/// @file Files as sources and sinks of bytes. Reading and writing block, so each has an island on
/// the dispatcher "blocking". A file that cannot be opened, read or written fails the stream: with
/// `errc::not_found` or `errc::io_failed`, its path and the system's text.

namespace odeon::stream {

namespace detail {

class open_file;

class file_read_stage {
 public:
  using value_type = std::string;
  file_read_stage(std::string path, std::size_t chunk);
  file_read_stage(file_read_stage&&) noexcept;
  file_read_stage(const file_read_stage& o);  // reads from the beginning
  ~file_read_stage();
  polled<std::string> next(island& in);
  void drive(island&) noexcept {}

 private:
  std::string path_;
  std::size_t chunk_;
  std::unique_ptr<open_file> file_;  // opened when first asked
};

class file_writer {
 public:
  file_writer(std::string path, bool append);
  file_writer(file_writer&&) noexcept;
  ~file_writer();
  void write(std::string_view bytes);
  /// Closes it. How many bytes were written.
  std::uint64_t finish();

 private:
  void open();
  std::string path_;
  bool append_;
  std::uint64_t written_ = 0;
  std::unique_ptr<open_file> file_;
};

template <class T>
struct file_consumer {
  static_assert(std::is_convertible_v<T, std::string_view>,
                "odeon: file::write takes pieces of bytes as std::string");
  using result_type = std::uint64_t;
  file_writer writer;
  bool take(T&& bytes) {
    writer.write(bytes);
    return false;
  }
  std::uint64_t finish() { return writer.finish(); }
};

struct file_sink {
  using stream_sink = void;
  std::string path;
  bool append;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using consumer = file_consumer<typename Up::value_type>;
    auto in = async({.capacity = 16}).attach(m, std::move(b));
    using reader = decltype(in.stage);
    auto [p, f] = promise<std::uint64_t>::make(m.get_runtime());
    m.add(std::make_unique<consumer_body<reader, consumer>>(
              std::move(in.stage), consumer{file_writer(std::move(path), append)}, std::move(p)),
          "blocking");
    return std::tuple_cat(std::move(in.mats), std::make_tuple(std::move(f)));
  }
};

}  // namespace detail

namespace file {

inline constexpr std::size_t chunk_size = 64 * 1024;  ///< bytes read at a time

/// The bytes of a file, in pieces of at most `chunk`; up to four pieces are read ahead.
[[nodiscard]] inline auto read(std::string path, std::size_t chunk = chunk_size) {
  return detail::stage_source{detail::file_read_stage(std::move(path), chunk)} |
         async({.capacity = 4, .dispatcher = "blocking"});
}
/// Writes all bytes to a file, which is made, or emptied, or written on at its end; it is closed,
/// and not forced to the disk, when the result comes: the number of bytes written.
/// `future<std::uint64_t>`
[[nodiscard]] inline auto write(std::string path, bool append = false) {
  return detail::file_sink{std::move(path), append};
}

}  // namespace file

}  // namespace odeon::stream
