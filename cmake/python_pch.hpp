#pragma once

/// @file Precompiled for the Python extension: Python.h, the standard headers and what every
/// binding needs of the core. Each file includes what it uses all the same.

#define PY_SSIZE_T_CLEAN
#include "pch.hpp"
#include <odeon/core/actor_system.hpp>

#include <Python.h>
