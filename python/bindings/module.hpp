#pragma once

#include "py.hpp"

namespace odeon::python {

/// The definition of `odeon._native`: its types find their interpreter through it.
extern PyModuleDef module_def;

}  // namespace odeon::python
