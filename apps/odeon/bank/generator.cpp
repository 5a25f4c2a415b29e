#include "odeon/bank/generator.hpp"

#include "odeon/bank/line_reader.hpp"
#include "odeon/bank/money.hpp"
#include "odeon/bank/random.hpp"
#include "odeon/bank/transfer_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>

namespace odeon::bank {

namespace {

constexpr std::uint64_t progress_every = 16'384;

class line_maker {
 public:
  explicit line_maker(const generator_options& options)
      : accounts_(options.accounts),
        random_(options.seed) {}

  std::string good() {
    auto [from, to] = pair();
    return from + "," + to + "," + format_amount(amount()) + "," + reference(++last_reference_);
  }

  /// One of the kinds in turn. The references of bad lines are their own, "B0000001", so that
  /// nothing good is taken for their duplicate.
  std::string bad() {
    auto [from, to] = pair();
    const std::string ref = "B" + std::to_string(++bad_lines_);
    const std::string sum = format_amount(amount());
    switch (bad_lines_ % 16) {
      case 0: return from + "," + to + "," + sum;
      case 1: return from + "," + to + "," + sum + "," + ref + ",extra";
      case 2: return from + "," + to + ",twelve," + ref;
      case 3: return from + "," + to + ",," + ref;
      case 4: return from + "," + to + ",-" + sum + "," + ref;
      case 5: return from + "," + to + ",0.00," + ref;
      case 6: return from + "," + to + ",99999999999999999999," + ref;
      case 7: return from + "," + to + ",1.005," + ref;
      case 8: return from + "," + from + "," + sum + "," + ref;
      case 9: return from + "," + to + "," + sum + ",";
      case 10: return "," + to + "," + sum + "," + ref;
      case 11: return from + "," + to + "," + sum + "," + std::string(max_name_bytes + 1, 'x');
      case 12: return from + "\xff," + to + "," + sum + "," + ref;
      case 13: return "\"" + from + "," + to + "," + sum + "," + ref;
      case 14: return std::string(max_line_bytes + 1, 'y');
      default:
        if (last_reference_ == 0) return "no earlier reference to repeat";
        return from + "," + to + "," + sum + "," + reference(1 + random_.below(last_reference_));
    }
  }

 private:
  static std::string reference(std::uint64_t n) {
    const std::string digits = std::to_string(n);
    return "T" + std::string(digits.size() < 9 ? 9 - digits.size() : 0, '0') + digits;
  }
  std::pair<std::string, std::string> pair() {
    const std::uint64_t busy = std::max<std::uint64_t>(2, accounts_ / 100);
    const std::uint64_t among = random_.below(10) == 0 ? busy : accounts_;
    const std::uint64_t from = random_.below(among);
    const std::uint64_t to = (from + 1 + random_.below(among - 1)) % among;
    return {account_name(from, accounts_), account_name(to, accounts_)};
  }
  cents amount() {
    const bool large = random_.below(20) == 0;
    return static_cast<cents>(large ? random_.between(500'00, 1'200'00)
                                    : random_.between(1, 50'00));
  }

  std::uint64_t accounts_;
  random_numbers random_;
  std::uint64_t last_reference_ = 0;
  std::uint64_t bad_lines_ = 0;
};

result<void> check(const generator_options& o) {
  if (o.accounts < 2 || o.accounts > max_accounts)
    return fail(errc::invalid_argument, "a file needs 2 to " + std::to_string(max_accounts) +
                                            " accounts, not " + std::to_string(o.accounts));
  if (o.transfers > max_generated_lines || o.bad_lines > max_generated_lines)
    return fail(errc::invalid_argument,
                "at most " + std::to_string(max_generated_lines) + " lines are generated");
  return {};
}

std::unexpected<error> refused(const std::string& path) {
  const int why = errno;
  return fail(why == ENOSPC ? errc::store_full : errc::io_failed,
              path + ": " + std::generic_category().message(why));
}

}  // namespace

std::string account_name(std::uint64_t index, std::uint64_t accounts) {
  const std::size_t width = std::max<std::size_t>(5, std::to_string(accounts - 1).size());
  const std::string digits = std::to_string(index);
  return "acct-" + std::string(width - digits.size(), '0') + digits;
}

result<void> generate(const std::string& path, const generator_options& options) {
  if (auto fine = check(options); !fine) return fine;
  const std::string unfinished = path + ".part";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(unfinished.c_str(), "wbe"),
                                                            &std::fclose);
  if (!out) return refused(path);
  const auto give_up = [&] {
    auto why = refused(path);
    std::remove(unfinished.c_str());
    return why;
  };

  line_maker lines(options);
  random_numbers order(~options.seed);
  std::fputs("from,to,amount,reference\n", out.get());
  std::uint64_t good = options.transfers;
  std::uint64_t bad = options.bad_lines;
  for (std::uint64_t done = 0; good + bad > 0; ++done) {
    const bool next_is_bad = order.below(good + bad) < bad;
    --(next_is_bad ? bad : good);
    const std::string line = (next_is_bad ? lines.bad() : lines.good()) + "\n";
    if (std::fwrite(line.data(), 1, line.size(), out.get()) != line.size()) return give_up();
    if (options.progress && done % progress_every == 0) options.progress(done);
  }
  if (std::fflush(out.get()) != 0) return give_up();
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) return give_up();
  return {};
}

}  // namespace odeon::bank
