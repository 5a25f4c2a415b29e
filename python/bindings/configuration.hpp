#pragma once

#include "interp.hpp"
#include <odeon/base/config.hpp>

#include <memory>

/// @file `odeon.config` on the configuration of C++: the same keys, the same errors.

namespace odeon::python {

/// What a capsule of `_config_load` holds.
struct loaded_config {
  configuration values;
  std::vector<config_key> keys;
};

/// The one in a capsule; null with TypeError set.
[[nodiscard]] const loaded_config* read_config(PyObject* capsule) noexcept;

/// Adds `_config_load`, `_config_get`, `_config_names` and `_config_describe`.
[[nodiscard]] bool add_config_functions(PyObject* module) noexcept;

}  // namespace odeon::python
