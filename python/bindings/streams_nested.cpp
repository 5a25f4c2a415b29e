/// @file Streams that make sources while they run.

#include "streams.hpp"
#include <odeon/stream/flow/nested.hpp>
#include <odeon/stream/restart.hpp>

namespace odeon::python {

namespace {

namespace d = st::detail;

/// `call` gives the operations of a source.
struct source_maker {
  callback call;
  std::shared_ptr<const stream_things> things;
  made_source operator()(const item& e) const { return {things, call(e)}; }
  made_source operator()() const { return {things, call()}; }
};
/// As `source_maker`, of nothing alone.
struct source_factory {
  source_maker make;
  made_source operator()() const { return make(); }
};

constexpr source_op sources[] = {
    {"restart",  // factory, min, max, random factor, most, within, on completion
     [](plan& p, const op_args& a) {
       const st::restart_settings s{.min_backoff = a.seconds(1),
                                    .max_backoff = a.seconds(2),
                                    .random_factor = a.number(3),
                                    .max_restarts = a.size(4),
                                    .within = a.seconds(5),
                                    .on_completion = a.at(6) == Py_True};
       return make_stage<d::restart_stage<source_factory>>(s,
                                                           source_factory{{a.call(0), p.things}});
     }},
};

constexpr flow_op table[] = {
    {"flat_map_concat",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::flat_map_concat_stage<erased, source_maker>>(
           std::move(up), source_maker{a.call(0), p.things});
     }},
    {"flat_map_merge",  // breadth, function
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::flat_map_merge_stage<erased, std::size_t, source_maker>>(
           std::move(up), a.size(0), source_maker{a.call(1), p.things});
     }},
};

}  // namespace

std::span<const source_op> nested_sources() { return sources; }
std::span<const flow_op> nested_flows() { return table; }

}  // namespace odeon::python
