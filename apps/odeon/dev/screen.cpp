#include "odeon/dev/screen.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace odeon::dev {

namespace {

constexpr std::size_t default_columns = 80;

bool is_terminal(std::FILE* out) {
  const char* kind = std::getenv("TERM");
  return ::isatty(::fileno(out)) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

std::size_t columns(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return default_columns;
}

}  // namespace

std::string_view cut(std::string_view text, std::size_t columns) noexcept {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U;
    if (starts && seen++ == columns) return text.substr(0, i);
  }
  return text;
}

screen::screen(std::FILE* out) : out_(out), live_(is_terminal(out)) {}

screen::~screen() { clear(); }

void screen::say(std::string_view line) { draw(std::string(line) + "\n"); }

void screen::show(std::vector<std::string> block) {
  if (!live_) return;
  block_ = std::move(block);
  draw({});
}

void screen::draw(std::string_view above) {
  std::string text;
  if (drawn_ > 0) text += "\x1b[" + std::to_string(drawn_) + "A\r\x1b[J";
  text += above;
  const std::size_t width = live_ ? columns(out_) : 0;
  for (const auto& line : block_) {
    text += cut(line, width - 1);
    text += '\n';
  }
  drawn_ = block_.size();
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

}  // namespace odeon::dev
