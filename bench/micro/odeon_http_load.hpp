#pragma once

/// @file
/// A load of HTTP calls, for every workload that makes one.

#include "odeon_support.hpp"
#include <odeon/net/http_client.hpp>

#include <atomic>
#include <string>
#include <vector>

namespace bench {

/// Makes the same calls again and again, a number of them under way: each answer makes the next
/// call from where it came. One pass at a time; the client is to have a connection for each.
struct http_load {
  odeon::http_client& web;
  odeon::runtime& rt;
  std::vector<odeon::http_call> calls;  ///< of methods, URLs and bodies, taken by turns; not empty
  std::string expected;                 ///< in the body of each right answer
  std::atomic<std::uint64_t> wrong{0};  ///< answers that were not
  std::vector<std::vector<double>> took{};  ///< microseconds of the last pass, by chain

  /// `n` calls, `at_once` of them under way. Blocks until all have ended.
  nanoseconds pass(std::uint64_t n, std::size_t at_once) {
    took.assign(at_once, {});
    left = static_cast<std::int64_t>(n);
    chains = static_cast<std::uint32_t>(at_once);
    const auto begin = clock::now();
    for (std::size_t i = 0; i < at_once; ++i) go(i);
    while (const std::uint32_t now = chains.load())
      (void)rt.wait(chains, now, odeon::time_point::max());
    return clock::now() - begin;
  }
  /// The waits of the last pass, in microseconds.
  [[nodiscard]] std::vector<double> waits() const {
    std::vector<double> all;
    for (const auto& part : took) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  void go(std::size_t chain) {
    const std::int64_t n = left.fetch_sub(1);
    if (n <= 0) {
      odeon::runtime& of = rt;  // this load may end with the last chain
      if (chains.fetch_sub(1) == 1) of.wake(chains);
      return;
    }
    const auto begin = clock::now();
    const odeon::http_call& c = calls[static_cast<std::size_t>(n) % calls.size()];
    web.send({.method = c.method, .url = c.url, .body = c.body},
             [this, chain, begin](const odeon::result<odeon::http_response>& r) {
               took[chain].push_back(
                   std::chrono::duration<double, std::micro>(clock::now() - begin).count());
               if (!r || r->status != 200 || !r->body.contains(expected)) ++wrong;
               go(chain);
             });
  }

  std::atomic<std::int64_t> left{0};
  std::atomic<std::uint32_t> chains{0};
};

}  // namespace bench
