#pragma once

#include <odeon/wire/contract_diff.hpp>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace odeon::wire::internal {

/// A change of a type, before it is known what the type is used for.
struct found_change {
  std::string where;
  std::string text;
  breakage breaks;
  bool caution = false;
};

/// Compares a type with what it became, down to the last field. One object a comparison.
class contract_rules {
 public:
  /// Records in each other; a document from outside may have any number.
  static constexpr int max_depth = 256;

  /// `compact`, `json`: whether values travel or are stored in that format.
  contract_rules(const contract& before, const contract& after, bool compact, bool json)
      : before_(before),
        after_(after),
        compact_(compact),
        json_(json) {}

  [[nodiscard]] std::vector<found_change> compare(const type_shape& was, const type_shape& now) {
    shapes(was, now, {});
    return std::move(found_);
  }

 private:
  using shape = type_shape;
  using place = std::string;

  void add(const place& at, std::string text, breakage what = {}, bool caution = false) {
    found_.push_back({at, std::move(text), what, caution});
  }
  void changed(const place& at, const shape& was, const shape& now, std::string_view why,
               breakage what, bool caution = false);
  void other_type(const place& at, const shape& was, const shape& now);

  void shapes(const shape& was, const shape& now, const place& at);
  void same_kind(const shape& was, const shape& now, const place& at);
  bool numbers(const shape& was, const shape& now, const place& at);
  bool nulls(const shape& was, const shape& now, const place& at);
  bool sequences(const shape& was, const shape& now, const place& at);
  bool enum_and_number(const shape& was, const shape& now, const place& at);
  void sizes(const shape& was, const shape& now, const place& at);
  void tuples(const shape& was, const shape& now, const place& at);
  void variants(const shape& was, const shape& now, const place& at);
  void enums(const shape& was, const shape& now, const place& at);
  void records(const shape& was, const shape& now, const place& at);
  void record_fields(const contract_type& was, const contract_type& now, const place& at);
  void order(const contract_type& was, const contract_type& now, const place& at);
  void field_gone(const contract_field& was, const contract_type& before,
                  const contract_type& after, const place& at);
  [[nodiscard]] bool same_shape(const shape& was, const shape& now) const;

  const contract& before_;
  const contract& after_;
  bool compact_;
  bool json_;
  std::set<std::pair<std::string, std::string>> seen_;
  std::vector<found_change> found_;
  int depth_ = 0;
};

}  // namespace odeon::wire::internal
