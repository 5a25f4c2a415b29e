#include <odeon/base/detail/exceptions.hpp>

namespace odeon::detail {

error error_of(const std::exception_ptr& why) {
  try {
    std::rethrow_exception(why);
  } catch (const actor_error& e) {
    return e.reason();
  } catch (...) {
    return {errc::handler_failed, what_of(why)};
  }
}

std::string what_of(const std::exception_ptr& why) {
  try {
    std::rethrow_exception(why);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown exception";
  }
}

}  // namespace odeon::detail
