#pragma once

#include "odeon/journal/tool.hpp"

#include <string>
#include <vector>

/// @file The commands of `odeon cert`. Each blocks, prints to its terminal, and returns an exit
/// code of `odeon journal`; why, if that is not `good`, has been told in one sentence. Keys are
/// written to files for their owner alone, and never printed.

namespace odeon::cert_tool {

struct made_options {
  std::string name;
  int days = 90;
  std::string key_type = "p256";  ///< or "ed25519"
  std::string out;                ///< of OUT.crt and OUT.key; "" for the name
  bool force = false;
};

struct node_options {
  made_options made;
  std::vector<std::string> hosts;
  std::string ca = "ca";  ///< of CA.crt and CA.key
};

struct show_options {
  std::string file;
  bool json = false;
};

[[nodiscard]] int make_authority(const made_options& options, const journal_tool::terminal& t);
[[nodiscard]] int make_node(const node_options& options, const journal_tool::terminal& t);
/// `failed` for a certificate whose time is over, or has not begun: scripts ask for that.
[[nodiscard]] int show(const show_options& options, const journal_tool::terminal& t);

}  // namespace odeon::cert_tool
