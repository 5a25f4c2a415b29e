#pragma once

/// @file Forward declarations of `address`: references to actors as text, and found again.

namespace odeon {

struct address;
class address_resolver;
class local_resolver;

}  // namespace odeon
