#pragma once

/// @file What most programs need: actors, systems, tasks, errors.

#include <odeon/base/error.hpp>
#include <odeon/core/actor.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/core/behavior.hpp>
#include <odeon/task/effects.hpp>
#include <odeon/task/future.hpp>
#include <odeon/task/run.hpp>
