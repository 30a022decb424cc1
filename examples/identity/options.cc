#include "examples/identity/options.hpp"

#include <utility>

namespace identity {

const std::string_view usage =
    R"(Usage: identity [options]
Says who sent a message: evaluates SPF, reverse DNS, DKIM, DMARC and ARC for a client address and a
message, asking the DNS, and shows how each result comes about.

What is looked at; all may be left out:
  --client-address IP    the address of the client that sent it; without: no SPF, no reverse DNS
  --helo NAME            what the client said in HELO or EHLO
  --mail-from ADDRESS    the envelope sender; "" or "<>": the null sender (the default)
  --message FILE         the message, "-": standard input; without: no DKIM, no DMARC, no ARC.
                         A file whose lines all end by LF is read as if they ended by CRLF
  --now UNIX-TIME        the time for signatures that expire; default: now

How:
  --dns ADDRESS:PORT     ask this name server, which has to be recursive, or to know all answers;
                         may be given again; default: those of /etc/resolv.conf
  --dmarc 9989|7489      how DMARC finds the organizational domain: by a walk of the DNS tree
                         (RFC 9989, the default), or by the public suffix list (RFC 7489)
  --json                 one JSON object instead of the tree
  --batch                read requests from standard input, one JSON object a line, and write one
                         answer a line, in their order; see below
  --help                 this text

The JSON object has: spf and helo_spf {result, domain, explanation, mechanism, problem},
iprev {result, name}, dkim [{result, domain, selector, reason, ...}], dmarc {result, domain, policy,
disposition, ...}, arc {result, sets, ...}, dns [{name, type, rcode}].

A request of --batch has the options' names with underscores: client_address, helo, mail_from,
message (a file's name), now; --now is the time of those that do not say one. What cannot be read is
answered by {"error": "..."}; the next line is read all the same.

Exit status: 0 where everything was evaluated, whatever the results; 1 where a line of --batch could
not be; 2 where the command line, or a file that it names, is wrong.

Examples:
  identity --client-address 192.0.2.1 --helo mx.example.com --mail-from alice@example.com
  identity --client-address 2001:db8::1 --mail-from alice@example.com --message mail.eml
  identity --message mail.eml --json | jq .dmarc
  identity --batch --dns 127.0.0.1:53 < requests.jsonl > answers.jsonl
)";

namespace {

namespace smtp = gatepost::smtp;

using handler = bool (*)(options& o, std::string_view value);

struct option {
  std::string_view name;
  bool has_value;
  handler take;
  std::string_view wants;  // what its value has to be
};

bool add_server(options& o, std::string_view text) {
  smtp::endpoint server;
  if (const auto whole = smtp::parse_endpoint(text))
    server = *whole;
  else if (const auto address = smtp::parse_ip_address(text))
    server.address = *address;  // and the usual port
  else
    return false;
  o.servers.push_back(server);
  return true;
}

bool set_now(options& o, std::string_view text) {
  if (!o.what.set_now(text)) return false;
  o.now = o.what.now;
  return true;
}

bool set_regime(options& o, std::string_view text) {
  using gatepost::checks::dmarc::regime;
  o.regime = text == "7489" ? regime::rfc7489 : regime::rfc9989;
  return text == "7489" || text == "9989";
}

constexpr option all_options[] = {
    {"--client-address", true, [](options& o, std::string_view v) { return o.what.set_client(v); },
     "an IP address"},
    {"--helo", true, [](options& o, std::string_view v) { return o.what.helo = v, true; }, ""},
    {"--mail-from", true,
     [](options& o, std::string_view v) { return o.what.set_mail_from(v), true; }, ""},
    {"--message", true,
     [](options& o, std::string_view v) { return o.what.message_file = v, !v.empty(); }, "a file"},
    {"--now", true, set_now, "a time in seconds since 1970"},
    {"--dns", true, add_server, "an address and a port, such as 127.0.0.1:53 or [::1]:53"},
    {"--dmarc", true, set_regime, "9989 or 7489"},
    {"--json", false, [](options& o, std::string_view) { return o.json = true; }, ""},
    {"--batch", false, [](options& o, std::string_view) { return o.batch = true; }, ""},
    {"--help", false, [](options& o, std::string_view) { return o.help = true; }, ""},
    {"-h", false, [](options& o, std::string_view) { return o.help = true; }, ""},
};

const option* find_option(std::string_view name) {
  for (const option& o : all_options)
    if (o.name == name) return &o;
  return nullptr;
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

options fail(std::string why) {
  options o;
  o.wrong = std::move(why);
  return o;
}

}  // namespace

options parse_command_line(int argc, const char* const* argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i];
    std::optional<std::string_view> value;
    if (const auto equals = name.find('='); name.starts_with("--") && equals != name.npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const option* known = find_option(name);
    if (known == nullptr) return fail(quoted(name) + " is no option; --help lists them");
    if (known->has_value && !value) {
      if (++i == argc) return fail(std::string(name) + " wants a value");
      value = argv[i];
    } else if (!known->has_value && value) {
      return fail(std::string(name) + " takes no value");
    }
    if (!known->take(o, value.value_or("")))
      return fail(std::string(name) + ": " + quoted(*value) + " is not " +
                  std::string(known->wants));
  }
  const request& r = o.what;
  if (o.batch && (r.client || !r.helo.empty() || !r.mail_from.empty() || !r.message_file.empty()))
    return fail("--batch reads its requests from standard input; see --help");
  return o;
}

}  // namespace identity
