// The write-ahead log's format: "The SQLite Database File Format", section 4, sqlite.org. Its
// checksums are a chain: each frame's goes on from the one before.

#include "persistence/internal/commit_witness.hpp"

#include <odeon/base/crc32c.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace odeon::detail {

namespace {

constexpr std::size_t header_bytes = 32;
constexpr std::size_t frame_header_bytes = 24;
constexpr std::uint32_t magic = 0x377f0682;  // the lowest bit: checksums are of big-endian words

// The note: "ODCW", a version, the fields of witnessed_commit, a CRC-32C of all before it.
constexpr std::array<char, 4> note_mark{'O', 'D', 'C', 'W'};
constexpr std::uint32_t note_version = 1;
constexpr std::size_t note_bytes = 4 + 4 + 3 * 4 + 4 * 8 + 4 + 4;

std::uint32_t big_endian(const std::byte* p) noexcept {
  return std::to_integer<std::uint32_t>(p[0]) << 24U | std::to_integer<std::uint32_t>(p[1]) << 16U |
         std::to_integer<std::uint32_t>(p[2]) << 8U | std::to_integer<std::uint32_t>(p[3]);
}
std::uint32_t little_endian(const std::byte* p) noexcept {
  return std::to_integer<std::uint32_t>(p[3]) << 24U | std::to_integer<std::uint32_t>(p[2]) << 16U |
         std::to_integer<std::uint32_t>(p[1]) << 8U | std::to_integer<std::uint32_t>(p[0]);
}

struct chain {
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  friend bool operator==(const chain&, const chain&) = default;

  /// `data` is a multiple of 8 bytes.
  void add(std::span<const std::byte> data, bool big) noexcept {
    for (std::size_t at = 0; at < data.size(); at += 8) {
      const std::byte* p = data.data() + at;
      a += (big ? big_endian(p) : little_endian(p)) + b;
      b += (big ? big_endian(p + 4) : little_endian(p + 4)) + a;
    }
  }
};

class file {
 public:
  explicit file(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  file(const file&) = delete;
  ~file() {
    if (fd_ >= 0) ::close(fd_);
  }
  /// False: there are not so many bytes.
  [[nodiscard]] bool read(std::span<std::byte> to, std::uint64_t at) const noexcept {
    std::size_t done = 0;
    while (fd_ >= 0 && done < to.size()) {
      const ssize_t n =
          ::pread(fd_, to.data() + done, to.size() - done, static_cast<off_t>(at + done));
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return fd_ >= 0;
  }

 private:
  int fd_;
};

struct wal_header {
  std::uint32_t page = 0;
  std::uint32_t salt1 = 0;
  std::uint32_t salt2 = 0;
  bool big = false;
  chain sum;
};

/// False: there is none that SQLite would take.
bool read_header(const file& f, wal_header& out) noexcept {
  std::array<std::byte, header_bytes> raw{};
  if (!f.read(raw, 0)) return false;
  const std::uint32_t found = big_endian(raw.data());
  if ((found & ~1U) != magic) return false;
  out.big = (found & 1U) != 0;
  out.page = big_endian(raw.data() + 8);
  out.salt1 = big_endian(raw.data() + 16);
  out.salt2 = big_endian(raw.data() + 20);
  out.sum.add(std::span(raw).first(24), out.big);
  const bool page_is_good =
      out.page >= 512 && out.page <= 65536 && (out.page & (out.page - 1)) == 0;
  return page_is_good && out.sum == chain{big_endian(raw.data() + 24), big_endian(raw.data() + 28)};
}

/// How many frames from the first on are as they were written, at most `wanted`.
std::uint32_t good_frames(const file& f, const wal_header& head, std::uint32_t wanted) {
  std::vector<std::byte> frame(frame_header_bytes + head.page);
  chain sum = head.sum;
  for (std::uint32_t k = 0; k < wanted; ++k) {
    if (!f.read(frame, header_bytes + std::uint64_t{k} * frame.size())) return k;
    const std::byte* p = frame.data();
    if (big_endian(p + 8) != head.salt1 || big_endian(p + 12) != head.salt2) return k;
    sum.add(std::span(frame).first(8), head.big);
    sum.add(std::span(frame).subspan(frame_header_bytes), head.big);
    if (sum != chain{big_endian(p + 16), big_endian(p + 20)}) return k;
  }
  return wanted;
}

std::string wal_of(const std::string& journal_path) { return journal_path + "-wal"; }
std::string witness_of(const std::string& journal_path) { return journal_path + "-witness"; }

using note_buffer = std::array<std::byte, note_bytes>;

class note_writer {
 public:
  explicit note_writer(note_buffer& to) noexcept : at_(to.data()) {}
  template <class T>
  void put(const T& v) noexcept {
    std::memcpy(at_, &v, sizeof v);
    at_ += sizeof v;
  }

 private:
  std::byte* at_;
};

std::uint32_t sum_of(const note_buffer& note) noexcept {
  return crc32c(std::span<const std::byte>(note).first(note_bytes - 4));
}

bool read_note(const std::string& path, witnessed_commit& out) noexcept {
  note_buffer raw{};
  if (!file(path).read(raw, 0)) return false;
  const std::byte* at = raw.data();
  const auto take = [&at](auto& v) {
    std::memcpy(&v, at, sizeof v);
    at += sizeof v;
  };
  std::array<char, 4> mark{};
  std::uint32_t version = 0;
  std::uint32_t crc = 0;
  take(mark);
  take(version);
  take(out.salt1);
  take(out.salt2);
  take(out.frames);
  take(out.state.log_first);
  take(out.state.log_next);
  take(out.state.position_next);
  take(out.state.outbox_next);
  take(out.state.actor_next);
  take(crc);
  return mark == note_mark && version == note_version && crc == sum_of(raw);
}

}  // namespace

commit_witness::commit_witness(const std::string& journal_path)
    : wal_path_(wal_of(journal_path)),
      path_(witness_of(journal_path)),
      fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {}

commit_witness::~commit_witness() {
  if (fd_ >= 0) ::close(fd_);
}

void commit_witness::note(std::uint32_t frames, const store_state& state) noexcept {
  if (fd_ < 0) return;
  if (!salts_known_) {
    wal_header head;
    if (!read_header(file(wal_path_), head)) return;
    last_.salt1 = head.salt1;
    last_.salt2 = head.salt2;
    salts_known_ = true;
  }
  note_buffer raw{};
  note_writer to(raw);
  to.put(note_mark);
  to.put(note_version);
  to.put(last_.salt1);
  to.put(last_.salt2);
  to.put(frames);
  to.put(state.log_first);
  to.put(state.log_next);
  to.put(state.position_next);
  to.put(state.outbox_next);
  to.put(state.actor_next);
  to.put(sum_of(raw));
  if (::pwrite(fd_, raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size())) forget();
}

void commit_witness::forget() noexcept {
  if (fd_ < 0) return;
  static_cast<void>(::unlink(path_.c_str()));
  ::close(std::exchange(fd_, -1));
}

void remove_witness(const std::string& journal_path) noexcept {
  static_cast<void>(::unlink(witness_of(journal_path).c_str()));
}

// First the note, then what it is compared with: a writer only adds to that.
result<void> check_witness(sqlite_db& db) {
  const std::string& journal_path = db.path();
  witnessed_commit seen;
  if (!read_note(witness_of(journal_path), seen)) return {};
  const std::string way_out = "; to go on without what is lost, remove " + witness_of(journal_path);
  const file wal(wal_of(journal_path));
  wal_header head;
  if (read_header(wal, head) && head.salt1 == seen.salt1 && head.salt2 == seen.salt2) {
    const std::uint32_t good = good_frames(wal, head, seen.frames);
    if (good == seen.frames) return {};
    return fail(
        errc::corrupt_record,
        wal_of(journal_path) + ": damaged in the frame at byte " +
            std::to_string(header_bytes + std::uint64_t{good} * (frame_header_bytes + head.page)) +
            ", and acknowledged commits stand behind it" + way_out);
  }
  // Another log, or none: it has been folded in, and the database has it all.
  // A damaged state is told of by who needs it; none at all is that of an empty journal.
  const auto now = read_state(db);
  if (!now && now.error() == errc::corrupt_record) return {};
  const store_state state = now ? *now : store_state();
  const store_state& then = seen.state;
  if (state.log_next >= then.log_next && state.position_next >= then.position_next &&
      state.outbox_next >= then.outbox_next && state.actor_next >= then.actor_next)
    return {};
  return fail(errc::corrupt_record,
              wal_of(journal_path) +
                  ": is gone, or damaged at byte 0, and acknowledged commits with it: position " +
                  std::to_string(then.position_next - 1) + " was given out, and the last one is " +
                  std::to_string(state.position_next - 1) + way_out);
}

}  // namespace odeon::detail
