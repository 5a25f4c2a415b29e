#pragma once

#include <odeon/net/http_body.hpp>
#include <odeon/net/http_client.hpp>
#include <odeon/net/http_message.hpp>
#include <odeon/net/http_server.hpp>

/// @file HTTP/1.1, all of it: messages, bodies in pieces, a server and a client. WebSockets are in
/// `net/websocket.hpp`; the guide is docs/guide/http.md.
