#pragma once

#include <odeon/persistence/fwd.hpp>
#include <odeon/workflow/chain.hpp>
#include <odeon/workflow/detail/run_actor.hpp>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file Workflows: steps, the edges between them, and their runs.
///
///     workflow w = normalize >> when(score_at_least(90), praise) >> publish;       // or, by
///     edges:
///
///     workflow<draft, text> w("review");
///     auto write = w.add(step("write", write_draft, {.max_visits = 5}));
///     auto check = w.add(step("check", check_draft));
///     auto print = w.add(step("print", print_draft));
///     w.start(write).end(print);
///     w.edge(write, check);
///     w.edge(check, write, {.when = [](const draft& d) { return !d.good; }});
///     w.edge(check, print, {.otherwise = true});
///
///     text out = co_await w.run(draft{"Odeon"}, system);
///
/// **Edges.** When a step has given its output, *all* its edges whose conditions hold fire, those
/// of higher priority first and then in the order in which they were added; the steps behind them
/// start in that order. An edge without a condition always fires; one with `otherwise` fires when
/// no other edge of the step did. No edge fires: the branch ends there.
///
/// **Joins.** A step whose input is one value runs once for each value that comes to it. A step
/// that takes a `std::vector<T>`, and whose edges bring a `T`, joins: so does one with several
/// parameters (or a `std::tuple`), one for each edge in the order in which they were added. A join
/// waits as long as anything that is running, waiting or delayed elsewhere in the run can still
/// reach it, and then runs, if at least one value came. A list has the values that came, in the
/// order of the edges. A parameter whose edge brought nothing must be a `std::optional`; else the
/// run fails with `errc::missing_field`, which names the edge. When joins alone are left, and each
/// could still reach another, the one added first runs.
///
/// **The answer.** The run ends when nothing is left to do, so a side branch is never cut off. Its
/// answer is the output of the end step that no edge took on; when there are several (the end step
/// ran more than once), the last. None: `errc::no_reply`, which says where the branches ended.
///
/// **Failure.** A step that fails for good fails the run with its error: nothing new is started,
/// steps that are under way are given up (those with a compensation are waited for, within their
/// timeout), the compensations of all completed steps run one at a time in reverse order of
/// completion, and then the asker gets the error. Giving a run up (dropping its future, its
/// `within`, its asker's stop) is no failure: what is under way is destroyed, nothing is
/// compensated.
///
/// **Validation.** `problems` finds what is wrong with a workflow; a run of a wrong one fails with
/// `errc::invalid_argument` and all those sentences before anything is started.

namespace odeon::workflows {

/// A step of one workflow, as `add` gives it.
class node {
 public:
  node() noexcept = default;

 private:
  friend class workflow_base;
  node(std::uint64_t owner, std::uint32_t index, std::string name)
      : owner_(owner),
        index_(index),
        name_(std::move(name)) {}
  std::uint64_t owner_ = 0;
  std::uint32_t index_ = 0;
  std::string name_;
};

/// A condition of an edge: any function of one value that gives a bool. It is called as const, more
/// than once at a time, and must depend on nothing but the value.
class condition {
 public:
  condition() noexcept = default;
  template <class C>
    requires(!std::same_as<std::remove_cvref_t<C>, condition>)
  condition(C c) {  // NOLINT(google-explicit-constructor): {.when = [](int n) { … }}
    static_assert(detail::has_one_signature<C>,
                  "odeon: a condition's parameter has a type: [](const score& s) { … }");
    if constexpr (detail::has_one_signature<C>)
      def_ = detail::make_condition<typename detail::traits<C>::in>(std::move(c));
  }

 private:
  friend class workflow_base;
  detail::condition_def def_;
};

struct edge_options {
  condition when = {};
  int priority = 0;        ///< higher ones fire first
  duration delay{0};       ///< on the user clock; of a durable run on the wall clock
  bool otherwise = false;  ///< fires when no other edge of the step does; has no condition
};

/// What does not depend on the types.
class workflow_base {
 public:
  /// What is wrong, one sentence each, with the names of steps and edges; empty: nothing.
  [[nodiscard]] std::vector<std::string> problems() const;
  /// The steps and edges as a Graphviz graph. Steps made by a spelling are dots.
  [[nodiscard]] std::string graphviz() const;
  [[nodiscard]] const std::string& name() const noexcept { return graph_.name; }
  /// It has been run, so it can no more be changed: what would throws `actor_error` with
  /// `errc::invalid_argument`. A copy can be.
  [[nodiscard]] bool has_started() const noexcept { return started_; }

 protected:
  workflow_base(detail::graph g, const detail::value_type& in, const detail::value_type& out);
  workflow_base(const workflow_base& o);
  workflow_base& operator=(const workflow_base& o);
  ~workflow_base();

  node add_step(detail::step_ptr s);
  [[nodiscard]] node find(std::string_view name) const;
  void add_edge(const node& from, const node& to, edge_options options);
  void set_start(const node& n);
  void set_end(const node& n);
  void set_name(std::string name);
  void set_version(int version, std::initializer_list<int> compatible);
  void set_max_steps(std::size_t max);
  /// The first run freezes it. An error: all its problems.
  [[nodiscard]] result<std::shared_ptr<const detail::plan>> plan() const;

 private:
  void check_changeable() const;
  [[nodiscard]] std::uint32_t index_of(const node& n, const char* what, std::string& trouble) const;
  detail::graph graph_;
  std::uint64_t id_;
  mutable bool started_ = false;
  mutable std::shared_ptr<const detail::plan> plan_;
};

/// A workflow that takes an `In` and answers with an `Out`. A value: what was said of it is copied.
/// Building it belongs to one thread; `run` may be called from any, once it was called first.
template <class In, class Out>
class workflow : public workflow_base {
 public:
  using input = In;
  using output = Out;

  /// An empty one, to be built by `add`, `start`, `edge` and `end`.
  explicit workflow(std::string name) : workflow(detail::named_graph(std::move(name))) {}
  workflow(chain<In, Out> c)  // NOLINT(google-explicit-constructor): workflow w = a >> b
      : workflow(std::move(c).get()) {}
  workflow(const step_of<In, Out>& s)  // NOLINT(google-explicit-constructor)
      : workflow(chain<In, Out>(s)) {}
  workflow(const conditional<In, Out>& c)  // NOLINT(google-explicit-constructor)
      : workflow(detail::as_chain(c)) {
    detail::check_stage<conditional<In, Out>>();
  }

  // -- building ---------------------------------------------------------------------------------

  template <class A, class B>
  node add(const step_of<A, B>& s) {
    return add_step(s.def());
  }
  /// The step of that name; a node to nowhere, which `problems` reports, when there is none.
  [[nodiscard]] node operator[](std::string_view step) const { return find(step); }
  /// Where the input goes: to a step that takes one value.
  workflow& start(const node& n) {
    set_start(n);
    return *this;
  }
  /// Where the answer comes from. It may be left out when one step alone has no edges.
  workflow& end(const node& n) {
    set_end(n);
    return *this;
  }
  workflow& edge(const node& from, const node& to, edge_options options = {}) {
    add_edge(from, to, std::move(options));
    return *this;
  }
  /// For texts and records.
  workflow& named(std::string name) {
    set_name(std::move(name));
    return *this;
  }
  /// Raised when steps or edges change in a way that runs begun before must not go on with. Those
  /// of `compatible` versions may go on: their records name steps and edges, which must be there.
  workflow& version(int version, std::initializer_list<int> compatible = {}) {
    set_version(version, compatible);
    return *this;
  }
  /// How many steps one run may take; also the bound of cycles without `max_visits`. 10,000 unless
  /// said.
  workflow& max_steps(std::size_t max) {
    set_max_steps(max);
    return *this;
  }

  // -- running ----------------------------------------------------------------------------------

  /// Starts a run: an actor of `system`. The future is of its answer; it has no timeout unless
  /// `within` gives it one. Any number of runs at a time. @threadsafe
  [[nodiscard]] future<Out> run(In input, actor_system& system, run_options options = {}) const {
    return detail::start<Out>(plan(), detail::share(std::move(input)), system, std::move(options));
  }
  /// Runs that are recorded under `id`: see `durable_workflow`.
  [[nodiscard]] durable_workflow<In, Out> durable(std::string id) const {
    return {*this, std::move(id)};
  }

 private:
  explicit workflow(detail::graph g)
      : workflow_base(std::move(g), detail::type_of<In>, detail::type_of<Out>) {}
  friend class durable_workflow<In, Out>;
};
template <class In, class Out>
workflow(chain<In, Out>) -> workflow<In, Out>;
template <class In, class Out>
workflow(step_of<In, Out>) -> workflow<In, Out>;
template <class In, class Out>
workflow(conditional<In, Out>) -> workflow<In, Out>;

/// A run that survives: what each step gave is on the journal before the next step starts.
///
/// `run` with an id that the journal knows goes on where the record ends; its own input is then
/// ignored for the recorded one. No step whose end is recorded runs again; one that was under way
/// does, with the same `step_context::key`. Edges that fired, due times of delays and failed
/// attempts are recorded with the step, so conditions are not asked again, time goes on while the
/// program is down, and attempts are counted across restarts. So are compensations. A run that has
/// ended answers with its recorded answer or error, without running anything.
///
/// What was recorded by other code is not replayed: unless the record's workflow version is this
/// one's, with the same steps, edges, types and step versions, or one of its `compatible` ones, the
/// run is refused with `errc::version_conflict`, which names the step that differs. A condition's
/// or a function's code cannot be seen: that is what `version` is for.
///
/// Further errors: `name_taken` (this id is running now), `fenced` (another program took it over),
/// `no_codec` (an output that cannot be stored, named), `wrong_type` (a record of something else),
/// and what the journal gives. After an error of the journal the run can be started again.
template <class In, class Out>
class durable_workflow {
 public:
  durable_workflow(const workflow<In, Out>& w, std::string id)
      : of_(w.plan()),
        id_(std::move(id)) {}

  /// The journal is that of the options, or the system's (`persistence::install`).
  [[nodiscard]] future<Out> run(In input, actor_system& system, run_options options = {}) const {
    if (id_.empty())
      return detail::failed_future<Out>(
          system.get_runtime(), {errc::invalid_argument, "a durable run has an id of its own"});
    return detail::start<Out>(of_, detail::share(std::move(input)), system, std::move(options),
                              id_);
  }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

 private:
  result<std::shared_ptr<const detail::plan>> of_;
  std::string id_;
};

/// The ids of the durable runs of workflows of that name that have begun and not ended, in the
/// order in which they began: what a program takes up again when it starts. Some may be under way
/// now. Reads the first and the last record of all runs there ever were. Throws `actor_error`.
///
///     for (auto& id : co_await unfinished_runs(system.get_runtime(), journal, w.name()))
///       w.durable(id).run({}, system).then(…);        // the recorded input counts
[[nodiscard]] task<std::vector<std::string>> unfinished_runs(runtime& rt,
                                                             std::shared_ptr<odeon::journal> store,
                                                             std::string workflow_name);

}  // namespace odeon::workflows
