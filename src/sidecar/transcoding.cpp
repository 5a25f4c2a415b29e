#include "sidecar/internal/read_file.hpp"
#include <odeon/net/http_message.hpp>
#include <odeon/sidecar/transcoding.hpp>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <utility>

namespace odeon::sidecar {

namespace {

namespace pb = google::protobuf;

constexpr std::string_view url_prefix = "type.googleapis.com";
constexpr std::string_view json_type = "eigr.functions.protocol.JSONType";
constexpr std::uint32_t json_content_tag = 10;  // field 1, of bytes

/// What is wrong with a file, in the words of protobuf.
class complaints final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& message) override {
    if (text.empty()) text = file + ": " + element + ": " + message;
  }
  std::string text;
};

/// How deep objects and arrays stand in each other; what stands in strings does not count.
std::size_t depth_of(std::string_view json) {
  std::size_t now = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t k = 0; k < json.size(); ++k) {
    const char c = json[k];
    if (in_string) {
      if (c == '\\') ++k;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++now);
    } else if ((c == '}' || c == ']') && now > 0) {
      --now;
    }
  }
  return deepest;
}

/// Whether a file that is known already is this one. protoc writes the names of JSON, others do
/// not.
bool same_file(const pb::FileDescriptor& there, pb::FileDescriptorProto given) {
  given.clear_source_code_info();
  const std::string bytes = given.SerializeAsString();
  pb::FileDescriptorProto known;
  there.CopyTo(&known);
  if (known.SerializeAsString() == bytes) return true;
  there.CopyJsonNameTo(&known);
  return known.SerializeAsString() == bytes;
}

void collect(const pb::Descriptor& d, std::vector<std::string>& names) {
  if (d.options().map_entry()) return;
  names.push_back(d.full_name());
  for (int k = 0; k < d.nested_type_count(); ++k) collect(*d.nested_type(k), names);
}

}  // namespace

struct descriptors::state {
  transcoding_limits limits;
  pb::DescriptorPool pool;
  std::vector<const pb::FileDescriptor*> files;
  std::unique_ptr<pb::util::TypeResolver> resolver{
      pb::util::NewTypeResolverForDescriptorPool(std::string(url_prefix), &pool)};

  [[nodiscard]] result<const pb::Descriptor*> find(std::string_view type) const {
    const std::string name(type_name_of(type));
    const pb::Descriptor* found = pool.FindMessageTypeByName(name);
    if (found == nullptr)
      return fail(errc::unknown_manifest, "no message type \"" + name + "\" is registered");
    return found;
  }
};

descriptors::descriptors(transcoding_limits limits) : state_(std::make_unique<state>()) {
  limits.depth = std::min(limits.depth, transcoding_limits{}.depth);
  state_->limits = limits;
}
descriptors::descriptors(descriptors&&) noexcept = default;
descriptors& descriptors::operator=(descriptors&&) noexcept = default;
descriptors::~descriptors() = default;

result<void> descriptors::add(std::string_view set, std::string_view source) {
  const pb::LogSilencer quiet;
  const std::string where(source);
  if (set.size() > state_->limits.set_bytes)
    return fail(errc::limit_exceeded, where + " has " + std::to_string(set.size()) +
                                          " bytes, more than " +
                                          std::to_string(state_->limits.set_bytes));
  pb::FileDescriptorSet all;
  if (!all.ParseFromArray(set.data(), static_cast<int>(set.size())) || all.file_size() == 0)
    return fail(errc::bad_encoding,
                where + " is no set of descriptors: protoc --include_imports -o makes one");
  for (const pb::FileDescriptorProto& file : all.file()) {
    if (const auto* there = state_->pool.FindFileByName(file.name())) {
      if (same_file(*there, file)) continue;
      return fail(errc::invalid_argument,
                  where + ": another " + file.name() + " was registered before");
    }
    complaints why;
    const auto* built = state_->pool.BuildFileCollectingErrors(file, &why);
    if (built == nullptr) return fail(errc::invalid_argument, where + ": " + why.text);
    state_->files.push_back(built);
  }
  return {};
}

result<void> descriptors::add_file(const std::string& path) {
  auto text = internal::read_file(path, state_->limits.set_bytes);
  if (!text) return std::unexpected(std::move(text.error()));
  return add(*text, path);
}

bool descriptors::has(std::string_view type) const { return state_->find(type).has_value(); }

std::vector<std::string> descriptors::types() const {
  std::vector<std::string> names;
  for (const auto* file : state_->files)
    for (int k = 0; k < file->message_type_count(); ++k) collect(*file->message_type(k), names);
  std::ranges::sort(names);
  return names;
}

result<any> descriptors::to_any(std::string_view type, std::string_view json) const {
  const pb::LogSilencer quiet;
  const auto found = state_->find(type);
  if (!found) return std::unexpected(found.error());
  const std::string& name = (*found)->full_name();
  const auto refuse = [&](errc code, const std::string& why) {
    return fail(code, "JSON for " + name + ": " + why);
  };
  const transcoding_limits& bounds = state_->limits;
  if (json.size() > bounds.json_bytes)
    return refuse(errc::limit_exceeded, "it has " + std::to_string(json.size()) +
                                            " bytes, more than " +
                                            std::to_string(bounds.json_bytes));
  if (!is_utf8(json)) return refuse(errc::bad_encoding, "it is not UTF-8");
  if (depth_of(json) > bounds.depth)
    return refuse(errc::limit_exceeded,
                  "it is more than " + std::to_string(bounds.depth) + " levels deep");
  any out{std::string(url_prefix) + "/" + name, {}};
  const auto done = pb::util::JsonToBinaryString(state_->resolver.get(), out.type_url,
                                                 std::string(json), &out.value);
  if (!done.ok()) return refuse(errc::bad_encoding, std::string(done.message()));
  if (out.value.size() > bounds.value_bytes)
    return refuse(errc::limit_exceeded, "the message is too large");
  return out;
}

result<std::string> descriptors::to_json(const any& value) const {
  const pb::LogSilencer quiet;
  const auto found = state_->find(value.type_url);
  if (!found) return std::unexpected(found.error());
  const std::string& name = (*found)->full_name();
  const auto refuse = [&](errc code, const std::string& why) {
    return fail(code, "a message " + name + ": " + why);
  };
  if (value.value.size() > state_->limits.value_bytes)
    return refuse(errc::limit_exceeded, "it is too large");
  // The writer of JSON passes over some of what is malformed: the parser does not.
  pb::DynamicMessageFactory factory(&state_->pool);
  const std::unique_ptr<pb::Message> parsed(factory.GetPrototype(*found)->New());
  if (!parsed->ParsePartialFromString(value.value))
    return refuse(errc::bad_encoding, "its bytes are no such message");
  std::string json;
  const auto done = pb::util::BinaryToJsonString(
      state_->resolver.get(), std::string(url_prefix) + "/" + name, value.value, &json);
  if (!done.ok()) return refuse(errc::bad_encoding, std::string(done.message()));
  if (!is_utf8(json)) return refuse(errc::bad_encoding, "a text in it is not UTF-8");
  if (json.size() > state_->limits.json_bytes)
    return refuse(errc::limit_exceeded, "its JSON is too large");
  return json;
}

std::string_view type_name_of(std::string_view type_url) noexcept {
  const auto slash = type_url.rfind('/');
  return slash == std::string_view::npos ? type_url : type_url.substr(slash + 1);
}

any json_any(std::string_view json) {
  any out{std::string(url_prefix) + "/" + std::string(json_type), {}};
  pb::io::StringOutputStream bytes(&out.value);
  pb::io::CodedOutputStream to(&bytes);
  to.WriteTag(json_content_tag);
  to.WriteVarint32(static_cast<std::uint32_t>(json.size()));
  to.WriteRaw(json.data(), static_cast<int>(json.size()));
  to.Trim();
  return out;
}

result<std::optional<std::string>> json_of(const any& value) {
  if (type_name_of(value.type_url) != json_type) return std::optional<std::string>{};
  pb::io::CodedInputStream from(reinterpret_cast<const std::uint8_t*>(value.value.data()),
                                static_cast<int>(value.value.size()));
  std::string text;
  while (const std::uint32_t tag = from.ReadTag()) {
    std::uint32_t size = 0;
    const bool good = tag == json_content_tag ? from.ReadVarint32(&size) &&
                                                    from.ReadString(&text, static_cast<int>(size))
                                              : pb::internal::WireFormatLite::SkipField(&from, tag);
    if (!good) return fail(errc::bad_encoding, "a JSONType that is cut or malformed");
  }
  if (!from.ConsumedEntireMessage())
    return fail(errc::bad_encoding, "a JSONType that is cut or malformed");
  return text;
}

}  // namespace odeon::sidecar
