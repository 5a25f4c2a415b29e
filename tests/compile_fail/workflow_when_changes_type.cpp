// A stage under a condition gives another type than it takes, so its value could not go past it.
#include <odeon/workflow/workflow.hpp>

using namespace odeon::workflows;

const auto keep = step("keep", [](int n) { return n; });
const auto print = step("print", [](int n) { return std::to_string(n); });
const auto none = step("none", [](int) { return std::string(); });
const auto positive = [](int n) { return n > 0; };

#ifdef ODEON_FIXED
const odeon::workflow w = keep >> route(when(positive, print), otherwise(none));
#else
const odeon::workflow w = keep >> when(positive, print);  // mistake
#endif
