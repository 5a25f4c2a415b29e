#pragma once

#include <pthread.h>

#include <string>

namespace odeon::detail {

/// The name that debuggers and `top` show; the kernel keeps 15 characters.
inline void name_this_thread(const std::string& name) noexcept {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace odeon::detail
