// Which address is "the client": the one rule of all checks that judge by address.
//
//     client ---> upstream ---> this server        client ---> this server
//                 (ours)        ^ judges client                ^ judges client
//
// The classic mistake is to ask SPF or a DNS list about one's own border. So: where the other end
// is one of our own `upstreams`, and neither PROXY nor XCLIENT tells of somebody else, the client
// is whom the first of our servers saw: the topmost Received fields are theirs, and the first that
// names an address which is not ours names the client. That is known only once the header has come
// in. Where no field can be believed the client is not known, and checks by address do not run.
//
// They never run, either, for those who are authenticated (here or at the upstream), on Unix
// sockets, in `exempt` networks, and where another border has judged before (`border`,
// `inner_channels`). Configured once, copied into the options of every such check. No I/O; the
// functions may be called from any thread.
#ifndef GATEPOST_CHECKS_TRUE_CLIENT_HPP
#define GATEPOST_CHECKS_TRUE_CLIENT_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/context.hpp"
#include "smtp/config.hpp"
#include "smtp/facts.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

// Loopback, private use (RFC 1918, RFC 4193), shared (RFC 6598) and link-local addresses: nobody
// speaks from them over the Internet, and no list or PTR record of the public DNS tells of them.
GATEPOST_DECL smtp::network_set private_networks();

struct true_client_options {
  // Our own servers that mail comes through before it is here: another MX, a relay, a filter. Only
  // machines that put a Received field of their own on top. Loopback is always taken for one of
  // them when fields are read: filters beside a server give mail back to it that way.
  smtp::network_set upstreams = {};

  // Whose clients are not judged by address.
  smtp::network_set exempt = private_networks();

  // False: everything that comes in was judged by another border before.
  bool border = true;
  // The same for these channels only: a listener for submission, or for mail from inside.
  std::vector<std::string> inner_channels = {};

  // Received fields that are read from the top. More servers of our own than that in one way are a
  // loop.
  std::size_t hops = 10;
};

enum class client_knowledge : std::uint8_t {
  known,  // `address` is the client's
  later,  // ask again at stage::header_end
  never,  // do not judge by address; `why` says why
};

struct seen_client {
  client_knowledge knowledge = client_knowledge::never;
  smtp::ip_address address = {};  // never a v4-mapped one
  std::string helo = {};          // what that client called itself; empty: not told
  std::string_view why = {};      // "authenticated", "exempt network", ...; a literal

  bool known() const { return knowledge == client_knowledge::known; }
};

class true_client {
 public:
  explicit true_client(true_client_options options = {}) : options_(std::move(options)) {}

  // What the stage lets know: by the header at header_end and message, by the session before.
  GATEPOST_DECL seen_client find(const context& ctx) const;

  // Without and with the fields of the header.
  GATEPOST_DECL seen_client find(const smtp::session_facts& facts) const;
  GATEPOST_DECL seen_client find(const smtp::session_facts& facts,
                                 std::span<const smtp::field_view> fields) const;

  // Whether it is the stage at which this client is judged: header_end for those whom only the
  // header tells, MAIL and before for all others.
  GATEPOST_DECL bool judged_at(const context& ctx) const;

  // Whether it can be that a client is known only at header_end.
  bool has_upstreams() const { return !options_.upstreams.empty(); }
  const true_client_options& options() const { return options_; }

 private:
  seen_client by_received(std::span<const smtp::field_view> fields) const;
  seen_client judge(seen_client who) const;

  true_client_options options_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/true_client.ipp"
#endif

#endif  // GATEPOST_CHECKS_TRUE_CLIENT_HPP
