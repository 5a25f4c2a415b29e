#pragma once

#include "router_state.hpp"

#include <memory>
#include <string>

namespace odeon::detail {

class gather;

/// Asks several routees in the name of the one ask that `e` carries. Takes the envelope.
result<void> ask_several(router_state& state, cell& self, envelope& e, const route_table& table);

void give_up(gather& g) noexcept;
[[nodiscard]] std::string describe(gather& g);
void hold(gather& g) noexcept;
void let_go(gather& g) noexcept;

}  // namespace odeon::detail
