#include "odeon/cert/tool.hpp"

#include "odeon/journal/text.hpp"
#include <odeon/net/certificates.hpp>
#include <odeon/runtime/runtime.hpp>

#include <chrono>
#include <cstdio>

namespace odeon::cert_tool {

namespace {

using journal_tool::complain;
using journal_tool::terminal;

certificate_key kind_of(const made_options& o) {
  return o.key_type == "ed25519" ? certificate_key::ed25519 : certificate_key::p256;
}
std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& s : all) out += (out.empty() ? "" : ", ") + s;
  return out.empty() ? "none" : out;
}

int keep(const result<credentials>& made, const made_options& o, const terminal& t) {
  if (!made) return complain(t, made.error(), journal_tool::usage);
  const std::string out = o.out.empty() ? o.name : o.out;
  if (const auto r = write_credentials(*made, out + ".crt", out + ".key", o.force); !r)
    return complain(t, r.error(), journal_tool::failed);
  const auto info = read_certificate(made->certificate);
  if (!info) return complain(t, info.error(), journal_tool::failed);
  std::fprintf(t.out, "%s.crt and %s.key: %s, until %s\n", out.c_str(), out.c_str(),
               info->subject.c_str(), journal_tool::iso_time(info->not_after).c_str());
  return journal_tool::good;
}

}  // namespace

int make_authority(const made_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  return keep(make_ca({.name = o.name, .valid_for = std::chrono::days(o.days), .key = kind_of(o)},
                      rt->wall_now()),
              o, t);
}

int make_node(const node_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  const auto ca = read_credentials(o.ca + ".crt", o.ca + ".key");
  if (!ca) return complain(t, ca.error(), journal_tool::failed);
  return keep(make_node_certificate(*ca,
                                    {.name = o.made.name,
                                     .hosts = o.hosts,
                                     .valid_for = std::chrono::days(o.made.days),
                                     .key = kind_of(o.made)},
                                    rt->wall_now()),
              o.made, t);
}

int show(const show_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  const auto text = read_credentials(o.file, "/dev/null");
  if (!text) return complain(t, text.error(), journal_tool::failed);
  const auto info = read_certificate(text->certificate);
  if (!info)
    return complain(t, error(info.error().code(), o.file + ": " + std::string(info.error().text())),
                    journal_tool::failed);
  const wall_time now = rt->wall_now();
  const bool good = info->not_before <= now && now < info->not_after;
  const char* state = good ? "valid" : info->not_after <= now ? "expired" : "not valid yet";
  const std::string from = journal_tool::iso_time(info->not_before);
  const std::string until = journal_tool::iso_time(info->not_after);
  if (o.json) {
    const auto q = [](const std::string& s) { return journal_tool::json_text(s); };
    std::string hosts;
    for (const std::string& h : info->hosts) hosts += (hosts.empty() ? "" : ",") + q(h);
    std::fprintf(t.out,
                 "{\"subject\":%s,\"issuer\":%s,\"node\":%s,\"hosts\":[%s],\"ca\":%s,\"key\":%s,"
                 "\"serial\":%s,\"not_before\":%s,\"not_after\":%s,\"state\":%s,"
                 "\"fingerprint\":%s}\n",
                 q(info->subject).c_str(), q(info->issuer).c_str(), q(info->node).c_str(),
                 hosts.c_str(), info->is_ca ? "true" : "false", q(info->key).c_str(),
                 q(info->serial).c_str(), q(from).c_str(), q(until).c_str(), q(state).c_str(),
                 q(info->fingerprint).c_str());
  } else {
    std::fprintf(t.out,
                 "%s of %s, signed by %s\n  state        %s, %s to %s\n  node         %s\n"
                 "  hosts        %s\n  key          %s\n  serial       %s\n  fingerprint  %s\n",
                 info->is_ca ? "authority" : "certificate",
                 journal_tool::shown(info->subject).c_str(),
                 journal_tool::shown(info->issuer).c_str(), state, from.c_str(), until.c_str(),
                 info->node.empty() ? "none" : info->node.c_str(),
                 journal_tool::shown(joined(info->hosts)).c_str(), info->key.c_str(),
                 info->serial.c_str(), info->fingerprint.c_str());
  }
  return good ? journal_tool::good : journal_tool::failed;
}

}  // namespace odeon::cert_tool
