#pragma once

/// @file All of `stream`; `docs/guide/streams.md` shows it at work. A program that uses a part
/// includes that part: each group of operators has its own header.

#include <odeon/stream/actors.hpp>
#include <odeon/stream/bidi.hpp>
#include <odeon/stream/compression.hpp>
#include <odeon/stream/fan_out.hpp>
#include <odeon/stream/file.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/flow/detached.hpp>
#include <odeon/stream/flow/nested.hpp>
#include <odeon/stream/flow/recover.hpp>
#include <odeon/stream/flow/stateful.hpp>
#include <odeon/stream/flow/timed.hpp>
#include <odeon/stream/framing.hpp>
#include <odeon/stream/framing_json.hpp>
#include <odeon/stream/graph.hpp>
#include <odeon/stream/hub.hpp>
#include <odeon/stream/kill_switch.hpp>
#include <odeon/stream/queue.hpp>
#include <odeon/stream/restart.hpp>
#include <odeon/stream/sink/basic.hpp>
#include <odeon/stream/source/basic.hpp>
#include <odeon/stream/tcp.hpp>
#include <odeon/stream/watch.hpp>
