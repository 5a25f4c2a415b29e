#include <odeon/projection/offset_store.hpp>

#include <map>
#include <mutex>

namespace odeon::projection {

namespace {

/// Completes inside the call: whoever calls is the store's thread.
class memory_offsets final : public offset_store {
 public:
  void load(std::string projection, completion<std::uint64_t> done) override {
    std::uint64_t found = 0;
    {
      const std::lock_guard lock(mutex_);
      if (const auto at = offsets_.find(projection); at != offsets_.end()) found = at->second;
    }
    done(found);
  }
  void save(std::string projection, std::uint64_t from, std::uint64_t to,
            completion<void> done) override {
    std::uint64_t is = 0;
    {
      const std::lock_guard lock(mutex_);
      auto& offset = offsets_[projection];
      is = offset;
      if (is == from) offset = to;
    }
    if (is == from)
      done({});
    else
      done(fail(errc::version_conflict, "projection \"" + projection + "\": its offset is " +
                                            std::to_string(is) + ", not " + std::to_string(from)));
  }
  void list(completion<std::vector<stored_offset>> done) override {
    std::vector<stored_offset> out;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [name, position] : offsets_) out.push_back({name, position});
    }
    done(std::move(out));
  }

 private:
  std::mutex mutex_;  // guards the map
  std::map<std::string, std::uint64_t> offsets_;
};

}  // namespace

std::shared_ptr<offset_store> make_memory_offsets() { return std::make_shared<memory_offsets>(); }

}  // namespace odeon::projection
