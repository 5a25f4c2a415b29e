#include "wire/internal/text.hpp"
#include <odeon/wire/standard.hpp>

#include <utility>

namespace odeon::wire {

error_body codec<error>::to_wire(const error& e) {
  error_body body{e.code(), std::string(e.text())};
  if (!internal::is_utf8(body.text)) {
    for (char& c : body.text) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return body;
}

error codec<error>::from_wire(error_body body) {
  error general = body.code;
  // An error made of a code alone shows the code's general sentence; it is equal to another such
  // error.
  if (general.text() == body.text) return general;
  return {body.code, std::move(body.text)};
}

}  // namespace odeon::wire
