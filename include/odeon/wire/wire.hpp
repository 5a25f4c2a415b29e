#pragma once

#include <odeon/wire/codec.hpp>
#include <odeon/wire/reflect.hpp>
#include <odeon/wire/registry.hpp>
#include <odeon/wire/tagged.hpp>

/// @file All of `wire`: messages as data, their codecs, and the registry that finds types by name.
