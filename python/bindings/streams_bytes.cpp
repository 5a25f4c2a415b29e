/// @file Bytes: frames, compression, files.
///
/// Files are read and written on the dispatcher "blocking" of C++, by islands that hold no objects
/// of Python: bytes cross a channel between them and the host.

#include "streams_bytes.hpp"

#include <odeon/stream/compression.hpp>
#include <odeon/stream/file.hpp>
#include <odeon/stream/framing_json.hpp>

namespace odeon::python {

std::string bytes_in(interp& in, PyObject* o) {
  if (PyBytes_Check(o))
    return {PyBytes_AS_STRING(o), static_cast<std::size_t>(PyBytes_GET_SIZE(o))};
  if (PyUnicode_Check(o)) {
    PyErr_SetString(PyExc_TypeError, "a stream of bytes has bytes as elements, not str: encode it");
    throw_python(in);
  }
  Py_buffer view{};
  if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) != 0) throw_python(in);
  std::string out(static_cast<const char*>(view.buf), static_cast<std::size_t>(view.len));
  PyBuffer_Release(&view);
  return out;
}

namespace {

namespace d = st::detail;

using strings = d::channel_reader<std::string>;

constexpr std::size_t read_ahead = 4;    // pieces
constexpr std::size_t write_ahead = 16;  // pieces
constexpr const char* blocking = "blocking";

/// Writes to a file; on a thread that may block.
class file_body final : public st::island_body {
 public:
  file_body(strings up, d::file_writer w, completion done)
      : up_(std::move(up)),
        writer_(std::move(w)),
        done_(std::move(done)) {}
  bool step(st::island& in) override {
    for (;;) {
      auto p = up_.next(in);
      if (p) {
        writer_.write(*p);
      } else if (p.has_ended()) {
        const std::uint64_t n = writer_.finish();
        told_ = true;
        tell_size(done_, n);
        return true;
      } else {
        return false;
      }
    }
  }
  void drive(st::island&) override {}
  void fail(const std::exception_ptr& why) noexcept override {
    if (!std::exchange(told_, true)) fail_with(done_, why);
  }

 private:
  strings up_;
  d::file_writer writer_;
  completion done_;
  bool told_ = false;
};

constexpr source_op sources[] = {
    {"file_read",  // path as bytes, bytes in a piece
     [](plan& p, const op_args& a) {
       using reading = d::channel_body<d::file_read_stage>;
       auto between = std::make_shared<d::channel<std::string>>(read_ahead);
       p.m.add(std::make_unique<reading>(d::file_read_stage(bytes_in(p.in, a.at(0)), a.size(1)),
                                         between),
               blocking);
       return from_bytes(p, paced<strings>(strings(std::move(between))));
     }},
};

constexpr sink_op sinks[] = {
    {"file_write",  // path as bytes, whether at its end
     [](plan& p, erased up, const op_args& a) {
       d::file_writer writer(bytes_in(p.in, a.at(0)), a.at(1) == Py_True);
       auto [ask, done] = make_awaitable(p.in, p.m.get_runtime());
       item result = checked(p.in, ask);
       auto between = std::make_shared<d::channel<std::string>>(write_ahead);
       p.add(std::make_unique<d::channel_body<bytes_of_elements>>(bytes_of_elements(std::move(up)),
                                                                  between));
       p.m.add(std::make_unique<file_body>(strings(std::move(between)), std::move(writer),
                                           std::move(done)),
               blocking);
       return result.take();
     }},
};

constexpr flow_op table[] = {
    {"delimiter",  // bytes, most bytes, whether what is left at the end is a frame
     [](plan& p, erased up, const op_args& a) {
       return bytes_flow<d::framing_stage<bytes_of_elements, d::delimiter_cutter>>(
           p, std::move(up),
           d::delimiter_cutter(bytes_in(p.in, a.at(0)), a.size(1), a.at(2) == Py_True));
     }},
    {"length_field",  // most bytes, bytes of the field
     [](plan& p, erased up, const op_args& a) {
       return bytes_flow<d::framing_stage<bytes_of_elements, d::length_cutter>>(
           p, std::move(up), d::length_cutter(a.size(0), a.size(1)));
     }},
    {"length_prefix",
     [](plan& p, erased up, const op_args& a) {
       return bytes_flow<d::length_prefix_stage<bytes_of_elements>>(p, std::move(up), a.size(0),
                                                                    a.size(1));
     }},
    {"json_objects",  // most bytes
     [](plan& p, erased up, const op_args& a) {
       return bytes_flow<d::framing_stage<bytes_of_elements, d::json_cutter>>(
           p, std::move(up), d::json_cutter(a.size(0)));
     }},
    {"compress",  // level
     [](plan& p, erased up, const op_args& a) {
       return bytes_flow<d::compress_stage<bytes_of_elements>>(
           p, std::move(up),
           d::checked_level(static_cast<int>(
               std::min<std::size_t>(a.size(0), std::numeric_limits<int>::max()))));
     }},
    {"decompress",  // most bytes, logarithm of the window
     [](plan& p, erased up, const op_args& a) {
       const st::decompress_limits limits{
           .bytes = a.size(0),
           .window_log = static_cast<unsigned>(std::min<std::size_t>(a.size(1), 99))};
       return bytes_flow<d::decompress_stage<bytes_of_elements>>(p, std::move(up),
                                                                 d::checked_limits(limits));
     }},
};

}  // namespace

std::span<const source_op> byte_sources() { return sources; }
std::span<const flow_op> byte_flows() { return table; }
std::span<const sink_op> byte_sinks() { return sinks; }

}  // namespace odeon::python
