// A file as a stream: how often does each word stand in it?

#include <odeon/core/actor_system.hpp>
#include <odeon/stream/file.hpp>
#include <odeon/stream/framing.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace odeon::stream;

using counts = std::map<std::string, int>;

std::vector<std::string> words_of(std::string line) {
  std::vector<std::string> words;
  std::string word;
  for (char c : line + " ") {
    if (std::isalpha(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  return words;
}

// Counts the file it is told; else one that it writes first. A file that is larger than memory is
// no problem: what waits between reading and counting is bounded.
int main(int argc, char** argv) {
  odeon::actor_system system{"words"};
  const auto own = std::filesystem::temp_directory_path() / "odeon_word_count.txt";
  const std::string path = argc > 1 ? argv[1] : own.string();
  if (argc == 1) {
    const std::string line = "The actor tells the sink, and the sink asks the source.\n";
    (source::repeat(line) | take(1'000) | to(file::write(path))).run(system).get();
  }

  const auto words = file::read(path)    // pieces of bytes, read on a thread that may block
                     | framing::lines()  // lines, of 64 KiB at most
                     | map_concat(words_of) | filter([](const auto& w) { return w.size() > 3; });

  auto counted = (words | to(sink::fold(counts(),
                                        [](counts all, std::string word) {
                                          ++all[std::move(word)];
                                          return all;
                                        })))
                     .run(system)
                     .result();
  if (!counted) {
    std::fprintf(stderr, "%s\n", counted.error().to_string().c_str());
    return 1;
  }

  std::vector<std::pair<int, std::string>> top;
  for (const auto& [word, n] : *counted) top.emplace_back(-n, word);
  std::ranges::sort(top);
  for (std::size_t i = 0; i < std::min<std::size_t>(top.size(), 5); ++i)
    std::printf("%5d  %s\n", -top[i].first, top[i].second.c_str());
  if (argc > 1) return 0;
  std::filesystem::remove(own);
  return counted->at("sink") == 2'000 && !counted->contains("the") ? 0 : 1;
}
