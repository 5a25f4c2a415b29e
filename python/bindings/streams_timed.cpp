/// @file Flows of streams that look at the clock, and those between a fast side
/// and a slow one.

#include "streams.hpp"
#include <odeon/stream/flow/timed.hpp>

namespace odeon::python {

namespace {

namespace d = st::detail;

constexpr flow_op table[] = {
    {"buffer",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::buffer_stage<erased>>(std::move(up), a.size(0),
                                                  read_on_full(p.in, a.text(1)));
     }},
    {"conflate",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::batch_stage<erased, std::size_t, d::itself, callback>>(
           std::move(up), static_cast<std::size_t>(-1), d::itself(), a.call(0));
     }},
    {"batch",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::batch_stage<erased, std::size_t, callback, callback>>(
           std::move(up), a.size(0), a.call(1), a.call(2));
     }},
    {"throttle",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::throttle_stage<erased>>(std::move(up), a.size(0), a.seconds(1),
                                                    a.size(2));
     }},
    {"delay",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::delay_stage<erased>>(std::move(up), a.seconds(0), a.size(1));
     }},
    {"initial_delay",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::initial_delay_stage<erased>>(std::move(up), a.seconds(0));
     }},
    {"debounce",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::debounce_stage<erased>>(std::move(up), a.seconds(0));
     }},
    {"timeout",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::timeout_stage<erased>>(std::move(up), a.seconds(0), false);
     }},
    {"idle_timeout",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::timeout_stage<erased>>(std::move(up), a.seconds(0), true);
     }},
    {"keep_alive",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::keep_alive_stage<erased, duration, callback>>(std::move(up),
                                                                          a.seconds(0), a.call(1));
     }},
    {"grouped_within",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::map_stage<d::grouped_within_stage<erased>, to_list>>(
           d::grouped_within_stage<erased>(std::move(up), a.size(0), a.seconds(1)), to_list{&p.in});
     }},
};

}  // namespace

std::span<const flow_op> timed_flows() { return table; }

}  // namespace odeon::python
