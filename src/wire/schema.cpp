#include <odeon/wire/schema.hpp>

namespace odeon::wire {

std::string_view to_string(kind k) noexcept {
  switch (k) {
    case kind::none: return "none";
    case kind::boolean: return "boolean";
    case kind::integer: return "integer";
    case kind::floating: return "floating";
    case kind::enumeration: return "enumeration";
    case kind::string: return "string";
    case kind::string_view: return "string_view";
    case kind::bytes: return "bytes";
    case kind::optional: return "optional";
    case kind::variant: return "variant";
    case kind::list: return "list";
    case kind::array: return "array";
    case kind::map: return "map";
    case kind::tuple: return "tuple";
    case kind::record: return "record";
    case kind::duration: return "duration";
    case kind::time_point: return "time_point";
    case kind::converted: return "converted";
    case kind::unsupported: return "unsupported";
  }
  return "unknown";
}

}  // namespace odeon::wire
