#pragma once

/// @file Forward declarations of `pattern`: what is made of actors again and again.

namespace odeon {

class cron;
class schedule;
class circuit_breaker;
class rate_limiter;
class token_bucket;
struct backoff_settings;
struct compute_settings;
template <class State, class Data, class... Ms>
class fsm;

namespace reliable {
template <class T>
class producer_controller;
template <class T>
class consumer_controller;
template <class T>
class work_controller;
template <class T>
class durable_queue;
}  // namespace reliable

}  // namespace odeon
