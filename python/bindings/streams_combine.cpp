/// @file Several sources as one, and one stream into several.

#include "streams.hpp"
#include <odeon/stream/fan_out.hpp>

#include <list>

namespace odeon::python {

namespace {

namespace d = st::detail;

// -- many into one -------------------------------------------------------------------------------

/// The elements of all as they come, in turn when several have one.
class merge_stage {
 public:
  using value_type = item;
  explicit merge_stage(std::vector<erased> ups) {
    for (auto& up : ups) open_.push_back(std::move(up));
  }
  st::polled<item> next(st::island& in) {
    for (std::size_t left = open_.size(); left > 0; --left) {
      auto p = open_.front().next(in);
      if (p.has_ended()) {
        open_.pop_front();
        continue;
      }
      open_.splice(open_.end(), open_, open_.begin());
      if (p) return p;
    }
    if (open_.empty()) return st::ended;
    return st::pending;
  }
  void drive(st::island& in) {
    for (auto& up : open_) up.drive(in);
  }

 private:
  std::list<erased> open_;  // the next one's turn first
};

struct pair_of {
  interp* in;
  item operator()(const item& a, const item& b) const {
    return checked(*in, PyTuple_Pack(2, a.get(), b.get()));
  }
};

std::vector<erased> with_others(plan& p, erased up, const op_args& a, Py_ssize_t from) {
  std::vector<erased> all;
  all.push_back(std::move(up));
  for (PyObject* ops : a.rest(from)) all.push_back(build_source(p, ops));
  return all;
}

// -- one into many -------------------------------------------------------------------------------

/// As the body of C++, for a number of outlets that is known at run time.
template <class Policy>
class fan_out_body final : public st::island_body {
 public:
  fan_out_body(erased up, Policy policy, const std::vector<std::shared_ptr<d::channel<item>>>& outs)
      : up_(std::move(up)),
        policy_(std::move(policy)) {
    for (const auto& o : outs) outs_.emplace_back(o);
  }
  bool step(st::island& in) override {
    for (auto& o : outs_) o->enter_writer(in.get_waker());
    for (;;) {
      if (all_cancelled()) return true;
      if (held_ && !policy_.template give<item>(in, outs_, held_)) {
        publish();
        return false;
      }
      auto p = up_.next(in);
      if (p) {
        held_.emplace(std::move(*p));
        continue;
      }
      if (p.has_ended()) {
        for (auto& o : outs_) o->close();
        return true;
      }
      publish();
      return false;
    }
  }
  void drive(st::island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override {
    for (auto& o : outs_) o->close(why);
  }

 private:
  [[nodiscard]] bool all_cancelled() const noexcept {
    for (const auto& o : outs_)
      if (!o->is_cancelled()) return false;
    return true;
  }
  void publish() noexcept {
    for (auto& o : outs_) o->publish();
  }
  erased up_;
  Policy policy_;
  std::vector<d::channel_writer<item>> outs_;
  std::optional<item> held_;  // has no room yet
};

using channels = std::vector<std::shared_ptr<d::channel<item>>>;

template <class Policy>
channels fan_out(plan& p, erased up, Policy policy, std::size_t n) {
  if (n == 0) {
    PyErr_SetString(PyExc_TypeError, "a stream fans out to at least one flow or sink");
    throw_python(p.in);
  }
  channels outs(n);
  for (auto& o : outs) o = std::make_shared<d::channel<item>>(st::fan_out_capacity);
  p.add(std::make_unique<fan_out_body<Policy>>(std::move(up), std::move(policy), outs));
  return outs;
}

/// Each flow and its channel are an island; the merge reads from those.
erased through_flows(plan& p, const channels& outs, const std::vector<PyObject*>& flows) {
  std::vector<erased> ends;
  for (std::size_t i = 0; i < outs.size(); ++i) {
    auto after = std::make_shared<d::channel<item>>(st::fan_out_capacity);
    erased flow = build_flow(p, make_stage<channel_reader>(outs[i]), flows[i]);
    p.add(std::make_unique<d::channel_body<erased>>(std::move(flow), after));
    ends.push_back(make_stage<channel_reader>(std::move(after)));
  }
  return make_stage<merge_stage>(std::move(ends));
}

PyObject* into_sinks(plan& p, const channels& outs, const std::vector<PyObject*>& sinks) {
  owned results(PyTuple_New(static_cast<Py_ssize_t>(outs.size())));
  for (std::size_t i = 0; results && i < outs.size(); ++i)
    PyTuple_SET_ITEM(results.get(), static_cast<Py_ssize_t>(i),
                     build_sink(p, make_stage<channel_reader>(outs[i]), sinks[i]));
  return results.release();
}

/// Copies each element into a channel on the way: `also_to`.
erased also_to(plan& p, erased up, PyObject* sink) {
  auto side = std::make_shared<d::channel<item>>(st::fan_out_capacity);
  p.materialize(build_sink(p, make_stage<channel_reader>(side), sink));
  return make_stage<d::also_to_stage<erased>>(std::move(up), std::move(side));
}

constexpr flow_op table[] = {
    {"merge",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<merge_stage>(with_others(p, std::move(up), a, 0));
     }},
    {"merge_prioritized",  // weight, other's weight, other
     [](plan& p, erased up, const op_args& a) {
       const std::array<std::size_t, 2> weights{std::max<std::size_t>(a.size(0), 1),
                                                std::max<std::size_t>(a.size(1), 1)};
       return make_stage<d::prioritized_stage<erased, erased>>(weights, std::move(up),
                                                               build_source(p, a.at(2)));
     }},
    {"merge_sorted",  // less, other
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::sorted_with<test>::stage<erased, erased>>(
           test{a.call(0)}, std::move(up), build_source(p, a.at(1)));
     }},
    {"concat",
     [](plan& p, erased up, const op_args& a) {
       for (PyObject* ops : a.rest(0))
         up = make_stage<d::concat_stage<erased, erased>>(std::move(up), build_source(p, ops));
       return up;
     }},
    {"prepend",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::concat_stage<erased, erased>>(build_source(p, a.at(0)), std::move(up));
     }},
    {"interleave",  // n, other
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::interleave_stage<erased, erased>>(a.size(0), std::move(up),
                                                              build_source(p, a.at(1)));
     }},
    {"zip",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::zipped_with<pair_of>::stage<erased, erased>>(
           pair_of{&p.in}, std::move(up), build_source(p, a.at(0)));
     }},
    {"zip_with",  // function, other
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::zipped_with<callback>::stage<erased, erased>>(a.call(0), std::move(up),
                                                                          build_source(p, a.at(1)));
     }},
    {"broadcast",
     [](plan& p, erased up, const op_args& a) {
       const auto flows = a.rest(0);
       return through_flows(p, fan_out(p, std::move(up), d::to_all(), flows.size()), flows);
     }},
    {"balance",
     [](plan& p, erased up, const op_args& a) {
       const auto flows = a.rest(0);
       return through_flows(p, fan_out(p, std::move(up), d::to_one(), flows.size()), flows);
     }},
    {"partition",  // function, flows
     [](plan& p, erased up, const op_args& a) {
       const auto flows = a.rest(1);
       return through_flows(
           p, fan_out(p, std::move(up), d::to_chosen<number_of>{{a.call(0)}}, flows.size()), flows);
     }},
    {"also_to",
     [](plan& p, erased up, const op_args& a) { return also_to(p, std::move(up), a.at(0)); }},
};

constexpr sink_op sinks[] = {
    {"broadcast",
     [](plan& p, erased up, const op_args& a) {
       const auto all = a.rest(0);
       return into_sinks(p, fan_out(p, std::move(up), d::to_all(), all.size()), all);
     }},
    {"balance",
     [](plan& p, erased up, const op_args& a) {
       const auto all = a.rest(0);
       return into_sinks(p, fan_out(p, std::move(up), d::to_one(), all.size()), all);
     }},
    {"partition",  // function, sinks
     [](plan& p, erased up, const op_args& a) {
       const auto all = a.rest(1);
       return into_sinks(
           p, fan_out(p, std::move(up), d::to_chosen<number_of>{{a.call(0)}}, all.size()), all);
     }},
};

}  // namespace

std::span<const flow_op> combining_flows() { return table; }
std::span<const sink_op> combining_sinks() { return sinks; }

}  // namespace odeon::python
