/// @file Streams whose elements are streams: groups, parts, a prefix and what follows it.

#include "streams.hpp"
#include <odeon/stream/flow/nested.hpp>

namespace odeon::python {

namespace {

namespace d = st::detail;

/// A part of a stream that nobody has run yet. Let go of, it is cancelled.
struct part final : stream_handle {
  explicit part(d::channel_reader<item> r) noexcept : reader(std::move(r)) {}
  [[nodiscard]] const char* kind() const noexcept override { return "part"; }
  std::optional<d::channel_reader<item>> reader;
};

item handle_of(interp& in, st::substream<item>&& s) {
  return checked(in, new_handle(std::make_shared<part>(std::move(s).reader())));
}

/// A key of Python as one of C++: equal keys have the same number.
struct key {
  std::size_t number;
  item value;
  bool operator<(const key& o) const noexcept { return number < o.number; }
};
struct key_of {
  callback call;
  item numbers;  // a dict
  key operator()(const item& e) const {
    interp& in = call.home();
    item value = call(e);
    if (PyObject* known = PyDict_GetItemWithError(numbers.get(), value.get()))
      return {PyLong_AsSize_t(known), std::move(value)};
    if (PyErr_Occurred()) throw_python(in);
    const auto number = static_cast<std::size_t>(PyDict_GET_SIZE(numbers.get()));
    const item as_object = checked(in, PyLong_FromSize_t(number));
    if (PyDict_SetItem(numbers.get(), value.get(), as_object.get()) != 0) throw_python(in);
    return {number, std::move(value)};
  }
};

// What makes elements of them: `wrap(handle, key)`, `wrap(handle)`, `wrap(handle, prefix)`.
struct wrapped_group {
  callback wrap;
  item operator()(st::group<key, item>&& g) const {
    const item about = g.key().value;
    return wrap(handle_of(wrap.home(), std::move(g)), about);
  }
};
struct wrapped_part {
  callback wrap;
  item operator()(st::substream<item>&& s) const {
    return wrap(handle_of(wrap.home(), std::move(s)));
  }
};
struct wrapped_tail {
  callback wrap;
  item operator()(std::pair<std::vector<item>, st::substream<item>>&& p) const {
    const item prefix = to_list{&wrap.home()}(std::move(p.first));
    return wrap(handle_of(wrap.home(), std::move(p.second)), prefix);
  }
};

using group_by = d::group_by_stage<erased, std::size_t, key_of, std::size_t>;
using split_when = d::split_when_stage<erased, test, std::size_t>;
using split_after = d::split_after_stage<erased, test, std::size_t>;
using prefix = d::prefix_stage<erased>;

constexpr source_op sources[] = {
    {"part",
     [](plan& p, const op_args& a) {
       const auto h = handle_as<part>(a.at(0));
       if (!h) throw_python(p.in);
       if (!h->reader)
         throw actor_error(errc::invalid_argument, "a part of a stream is run once, and it was");
       auto reader = std::move(*h->reader);
       h->reader.reset();
       return make_stage<paced<d::channel_reader<item>>>(std::move(reader));
     }},
};

constexpr flow_op table[] = {
    {"group_by",  // most groups, function, capacity, wrap
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::map_stage<group_by, wrapped_group>>(
           group_by(std::move(up), a.size(0), key_of{a.call(1), checked(p.in, PyDict_New())},
                    a.size(2)),
           wrapped_group{a.call(3)});
     }},
    {"split_when",  // predicate, capacity, wrap
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::map_stage<split_when, wrapped_part>>(
           split_when(std::move(up), test{a.call(0)}, a.size(1)), wrapped_part{a.call(2)});
     }},
    {"split_after",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::map_stage<split_after, wrapped_part>>(
           split_after(std::move(up), test{a.call(0)}, a.size(1)), wrapped_part{a.call(2)});
     }},
    {"prefix_and_tail",  // n, capacity, wrap
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::map_stage<prefix, wrapped_tail>>(
           prefix(std::move(up), a.size(0), a.size(1)), wrapped_tail{a.call(2)});
     }},
};

}  // namespace

std::span<const source_op> part_sources() { return sources; }
std::span<const flow_op> part_flows() { return table; }

}  // namespace odeon::python
