#pragma once

#include <odeon/base/error.hpp>
#include <odeon/pattern/detail/attempt.hpp>
#include <odeon/task/future.hpp>
#include <odeon/wire/codec.hpp>

#include <functional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file A call as bytes. The pools stand in src/pattern/compute.cpp and src/pattern/internal/.

namespace odeon {
class actor_system;
}

namespace odeon::detail {

using serve_fn = result<wire::bytes> (*)(std::span<const std::byte> arguments);

/// A function known by name; linked into one list when its `process_function` is constructed.
struct process_entry {
  std::string_view name;
  serve_fn serve = nullptr;
  process_entry* next = nullptr;
};
void add_process_function(process_entry& e, std::string_view name, serve_fn serve) noexcept;
/// `no_such_actor`… of functions: `errc::not_found`, or `invalid_argument` for a name given twice.
[[nodiscard]] result<serve_fn> find_process_function(std::string_view name);

/// What is to be done; a non-null error: it will not be.
using thread_job = std::move_only_function<void(const error* refused)>;
void compute_on_thread(actor_system& system, thread_job job);

using process_done = std::move_only_function<void(result<wire::bytes>)>;
void compute_in_process(actor_system& system, std::string_view name, duration limit,
                        result<wire::bytes> arguments, process_done done);

/// Settles `p` with what `f` gives.
template <class T, class F>
void compute_into(promise<T>& p, F f) {
  using V = std::invoke_result_t<F&>;
  try {
    if constexpr (is_result<std::remove_cvref_t<V>>) {
      p.set_result(f());
    } else if constexpr (std::is_void_v<V>) {
      f();
      p.set();
    } else {
      p.set(f());
    }
  } catch (...) {
    p.fail(error_of(std::current_exception()));
  }
}

template <auto Function, class Signature = std::remove_pointer_t<decltype(Function)>>
struct process_call {
  static_assert(std::is_function_v<Signature>,
                "odeon: process_function takes a function: process_function<square>");
};

template <auto Function, class R, class... Ps, bool N>
struct process_call<Function, R(Ps...) noexcept(N)> {
  using value = work_value<R>;
  using arguments = std::tuple<std::remove_cvref_t<Ps>...>;
  static_assert(!work_of<std::remove_cvref_t<R>>::is_later,
                "odeon: a process_function is a plain function, no task");
  static_assert(((!std::is_reference_v<Ps> || std::is_const_v<std::remove_reference_t<Ps>>) && ...),
                "odeon: a process_function takes its parameters by value or by const reference");

  static result<wire::bytes> serve(std::span<const std::byte> in) {
    if constexpr (sizeof...(Ps) == 0) {
      return answer([] { return Function(); });
    } else {
      auto given = wire::decode<arguments>(in);
      if (!given) return std::unexpected(std::move(given).error());
      return answer([&] { return std::apply(Function, *std::move(given)); });
    }
  }
  template <class... As>
  static result<wire::bytes> pack(As&&... as) {
    static_assert(sizeof...(As) == sizeof...(Ps),
                  "odeon: compute gives another number of arguments than the function takes");
    if constexpr (sizeof...(Ps) == 0)
      return wire::bytes();
    else
      return wire::try_encode(arguments(std::forward<As>(as)...));
  }
  static process_done unpack(promise<value> p) {
    return [p = std::move(p)](result<wire::bytes> r) mutable {
      if (!r) {
        p.fail(std::move(r).error());
      } else if constexpr (std::is_void_v<value>) {
        p.set();
      } else {
        p.set_result(wire::decode<value>(*r));
      }
    };
  }

 private:
  template <class F>
  static result<wire::bytes> answer(F f) {
    if constexpr (is_result<R>) {
      R r = f();
      if (!r) return std::unexpected(std::move(r).error());
      if constexpr (std::is_void_v<value>)
        return wire::bytes();
      else
        return wire::try_encode(*r);
    } else if constexpr (std::is_void_v<R>) {
      f();
      return wire::bytes();
    } else {
      return wire::try_encode(f());
    }
  }
};

}  // namespace odeon::detail
