#pragma once

/// @file All of the test kit: `docs/guide/testing.md` shows it at work.

#include <odeon/testkit/event_log.hpp>
#include <odeon/testkit/kit.hpp>
#include <odeon/testkit/probe.hpp>
