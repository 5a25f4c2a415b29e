// A step's function says nothing of its input's type.
#include <odeon/workflow/workflow.hpp>

using namespace odeon::workflows;

#ifdef ODEON_FIXED
const auto twice = step("twice", [](int n) { return n * 2; });
#else
const auto twice = step("twice", [](auto n) { return n * 2; });  // mistake
#endif
