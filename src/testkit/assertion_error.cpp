#include <odeon/testkit/assertion_error.hpp>

namespace odeon::testkit {

assertion_error::assertion_error(const std::string& text, const std::source_location& where)
    : text_(text + " at " + where.file_name() + ":" + std::to_string(where.line())),
      where_(where) {}

}  // namespace odeon::testkit
