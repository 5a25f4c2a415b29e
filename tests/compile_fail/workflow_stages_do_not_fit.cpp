// A stage takes another type than the one before it gives.
#include <odeon/workflow/workflow.hpp>

using namespace odeon::workflows;

const auto count = step("count", [](const std::string& s) { return static_cast<int>(s.size()); });
const auto half = step("half", [](int n) { return n / 2.0; });
const auto shout = step("shout", [](const std::string& s) { return s + "!"; });

#ifdef ODEON_FIXED
const odeon::workflow w = shout >> count >> half;
#else
const odeon::workflow w = count >> half >> shout;  // mistake
#endif
