#pragma once

/// @file Forward declarations of `net`: bytes that travel between machines.

namespace odeon {

class http_client;
class http_server;
class websocket;
struct http_request;
struct http_response;
struct tcp_options;

}  // namespace odeon
