#include "examples/probe/options.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <utility>

#include "smtp/domain.hpp"
#include "smtp/utf8.hpp"
#include "smtp/xtext.hpp"

namespace probe {

const std::string_view usage =
    R"(Usage: probe [options] HOST[:PORT] | ADDRESS[:PORT] | [IPV6]:PORT | unix:PATH
Talks to an SMTP or LMTP server and shows the session as it happens: every line with its time, what
each reply means, the facts about TLS, and how long each step took. Without --from and --to it
greets, starts TLS where it is offered, shows what the server can do, and leaves.

The port is 25 unless given; 465 with --tls implicit, 24 with --lmtp. A HOST is looked up as it
is: for the servers that take a domain's mail, look up its MX first.

Session:
  --helo NAME            our name in EHLO; default: that of this machine
  --lmtp                 speak LMTP (RFC 2033)
  --no-pipelining        one command at a time, even where PIPELINING is offered
  --timeout SECONDS      how long to wait in each step; default: 60

TLS:
  --tls none             no TLS
  --tls opportunistic    STARTTLS where it is offered (the default)
  --tls required         STARTTLS, or fail
  --tls implicit         TLS from the first octet (RFC 8314)
  --verify               fail unless the certificate is trusted and has the server's name;
                         makes --tls required of --tls opportunistic
  --ca FILE              trusted authorities, PEM; default: those of this machine
  --server-name NAME     name for SNI and verification; default: HOST

Login:
  --user NAME            log in as NAME, by PLAIN or LOGIN
  --password-file FILE   its first line is the password; "-": standard input, on a terminal unseen
  --auth-without-tls     send the password even where there is no TLS
  --auth-without-verification
                         send it under TLS even where the certificate is not trusted

A message:
  --from ADDRESS         envelope sender; "<>": the null sender
  --to ADDRESS           a recipient; may be given again
  --message FILE         send this message, "-": standard input; default: a small one is made
  --subject TEXT         subject of the one that is made
  --body TEXT            its text
  --repeat N             send it N times, on the same connection
  --bdat                 BDAT instead of DATA where CHUNKING is offered
  --smtputf8             say SMTPUTF8; it is said anyway where an address needs it
  --requiretls           ask for TLS on all of its way (RFC 8689): needs a verified certificate
  --prdr                 ask for a reply for each recipient (PRDR)
  --notify WHEN          delivery reports (RFC 3461): "never", or "success,failure,delay" or
                         some of them
  --orcpt TYPE;ADDRESS   original recipient of the --to before it; without TYPE: rfc822
  --ret full|hdrs        what of the message a failure report returns
  --envid ID             an id that reports repeat

Output:
  --json                 one JSON object per line
  --quiet                only the result
  --no-color             no colors; they are also off where standard output is no terminal, or
                         NO_COLOR is set
  --help                 this text

Times are in milliseconds: since the start, and since the line before. Lines after '#' are ours.
The password is never shown, and the text of a message is shown as a count of its octets.

Exit status: 0 where the server took everything that it was asked to; 1 where it refused or the
session failed; 2 where the command line, or a file that it names, is wrong.

Examples:
  probe mx.example.test                       # what is it, what can it do, which certificate?
  probe --verify --tls required mx.example.test:587
  probe --from alice@example.test --to bob@example.test 127.0.0.1:2525
  probe --from '<>' --to bob@example.test --message mail.eml --bdat mx.example.test
  probe --tls implicit --user alice --password-file - --from alice@example.test \
        --to bob@example.test --subject "Hello" submission.example.test
  probe --lmtp --from a@example.test --to b@example.test unix:/run/dovecot/lmtp
  probe --json --repeat 100 --from a@example.test --to b@example.test 127.0.0.1:2525 |
        jq 'select(.event == "timing")'
)";

namespace {

namespace smtp = gatepost::smtp;

constexpr std::uint16_t smtp_port = 25;    // RFC 5321 §4.5.4.2
constexpr std::uint16_t smtps_port = 465;  // RFC 8314 §7.3
constexpr std::uint16_t lmtp_port = 24;    // RFC 2033 §5: not 25

// A name that is longer is not one that EHLO could say.
constexpr std::size_t max_host_name = 256;

constexpr std::uint32_t max_repeat = 1'000'000;
constexpr std::uint32_t max_timeout = 86'400;  // a day

struct parsed : options {
  std::string target_text;
  std::string now;             // the option at hand
  std::string message_option;  // one that is about a message, if there was one
};

// Takes an option's value; false: `o.wrong` may say why, else it is "NAME: not a value: ...".
using handler = bool (*)(parsed& o, std::string_view value);

struct option {
  std::string_view name;
  bool has_value;
  handler take;
  bool of_message = false;  // makes no sense without --from and --to
};

bool fail(parsed& o, std::string why) {
  o.wrong = std::move(why);
  return false;
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

bool read_number(parsed& o, std::string_view text, std::uint32_t at_most, std::uint32_t& into) {
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, into);
  if (error == std::errc{} && last == end && into > 0 && into <= at_most) return true;
  return fail(
      o, o.now + ": " + quoted(text) + " is not a number from 1 to " + std::to_string(at_most));
}

// "a@b.example" or "<a@b.example>".
bool read_address(parsed& o, std::string_view text, smtp::address& into) {
  if (text.size() >= 2 && text.front() == '<' && text.back() == '>')
    text = text.substr(1, text.size() - 2);
  smtp::address_options any;
  any.utf8 = smtp::utf8_policy::smtputf8;
  any.tags = smtp::literal_tags::any;
  auto read = smtp::address::from_text(text, any);
  if (!read)
    return fail(o, o.now + ": " + quoted(text) +
                       " is no address: " + std::error_code(read.error()).message());
  into = *std::move(read);
  return true;
}

bool take_from(parsed& o, std::string_view value) {
  return read_address(o, value, o.from.emplace());
}

bool take_to(parsed& o, std::string_view value) {
  smtp::recipient& r = o.to.emplace_back();
  if (!read_address(o, value, r.forward_path)) return false;
  return !r.forward_path.is_null() || fail(o, "--to: a recipient cannot be <>");
}

bool take_tls(parsed& o, std::string_view value) {
  struct word {
    std::string_view text;
    tls_use meaning;
  };
  constexpr std::array<word, 4> words = {{{"none", tls_use::none},
                                          {"opportunistic", tls_use::opportunistic},
                                          {"required", tls_use::required},
                                          {"implicit", tls_use::implicit}}};
  for (const word& w : words) {
    if (w.text != value) continue;
    o.tls = w.meaning;
    return true;
  }
  return fail(o, "--tls: " + quoted(value) + " is not none, opportunistic, required or implicit");
}

bool take_helo(parsed& o, std::string_view value) {
  o.hello = value;
  return smtp::valid_helo_name(value) ||
         fail(o, "--helo: " + quoted(value) + " is no host name or address literal");
}

bool take_timeout(parsed& o, std::string_view value) {
  std::uint32_t seconds = 0;
  if (!read_number(o, value, max_timeout, seconds)) return false;
  o.timeout = std::chrono::seconds(seconds);
  return true;
}

bool take_repeat(parsed& o, std::string_view value) {
  return read_number(o, value, max_repeat, o.repeat);
}

std::uint8_t notify_of(std::string_view word) {
  if (smtp::equal_ignoring_case(word, "never")) return smtp::notify_never;
  if (smtp::equal_ignoring_case(word, "success")) return smtp::notify_success;
  if (smtp::equal_ignoring_case(word, "failure")) return smtp::notify_failure;
  if (smtp::equal_ignoring_case(word, "delay")) return smtp::notify_delay;
  return smtp::notify_unspecified;
}

// RFC 3461 §4.1: NEVER stands alone.
bool take_notify(parsed& o, std::string_view value) {
  const std::string_view all = value;
  for (bool last = false; !last;) {
    const std::size_t comma = value.find(',');
    last = comma == std::string_view::npos;
    const std::uint8_t one = notify_of(value.substr(0, comma));
    if (one == smtp::notify_unspecified)
      return fail(o, "--notify: " + quoted(all) + " is not never, or success,failure,delay");
    o.notify |= one;
    if (!last) value.remove_prefix(comma + 1);
  }
  const bool alone = (o.notify & smtp::notify_never) == 0 || o.notify == smtp::notify_never;
  return alone || fail(o, "--notify: never goes with nothing else");
}

bool take_ret(parsed& o, std::string_view value) {
  if (smtp::equal_ignoring_case(value, "full"))
    o.ret = smtp::dsn_return::full;
  else if (smtp::equal_ignoring_case(value, "hdrs"))
    o.ret = smtp::dsn_return::headers;
  else
    return fail(o, "--ret: " + quoted(value) + " is not full or hdrs");
  return true;
}

bool is_printable(std::string_view text) {
  for (const char c : text)
    if (c < 0x20 || c > 0x7E) return false;
  return !text.empty();
}

// RFC 3461 §4.4: printable ASCII, of at most 100 octets as xtext.
bool take_envid(parsed& o, std::string_view value) {
  o.envid = smtp::encode_xtext(value);
  return (is_printable(value) && o.envid.size() <= 100) ||
         fail(o, "--envid: not printable ASCII of at most 100 octets (RFC 3461 §4.4)");
}

// RFC 3461 §4.2.
bool take_orcpt(parsed& o, std::string_view value) {
  if (o.to.empty()) return fail(o, "--orcpt belongs to the --to before it, and there is none");
  const std::size_t semicolon = value.find(';');
  const bool typed = semicolon != std::string_view::npos;
  const std::string_view type = typed ? value.substr(0, semicolon) : "rfc822";
  const std::string_view address = typed ? value.substr(semicolon + 1) : value;
  const bool fine = is_printable(address) && is_printable(type) &&
                    type.find_first_of(" =+") == std::string_view::npos;
  if (!fine) return fail(o, "--orcpt: " + quoted(value) + " is not TYPE;ADDRESS (RFC 3461 §4.2)");
  o.to.back().orcpt = std::string(type) + ';' + smtp::encode_xtext(address);
  return true;
}

template <auto Member>
bool set(parsed& o, std::string_view) {
  o.*Member = true;
  return true;
}

template <auto Member>
bool clear(parsed& o, std::string_view) {
  o.*Member = false;
  return true;
}

template <auto Member>
bool keep(parsed& o, std::string_view value) {
  o.*Member = std::string(value);
  return true;
}

constexpr option option_table[] = {
    {"--help", false, set<&options::help>},
    {"-h", false, set<&options::help>},
    {"--helo", true, take_helo},
    {"--lmtp", false, set<&options::lmtp>},
    {"--no-pipelining", false, clear<&options::pipelining>},
    {"--timeout", true, take_timeout},
    {"--tls", true, take_tls},
    {"--verify", false, set<&options::verify>},
    {"--ca", true, keep<&options::ca_file>},
    {"--server-name", true, keep<&options::server_name>},
    {"--user", true, keep<&options::user>},
    {"--password-file", true, keep<&options::password_file>},
    {"--auth-without-tls", false, set<&options::auth_without_tls>},
    {"--auth-without-verification", false, set<&options::auth_without_verification>},
    {"--from", true, take_from},
    {"--to", true, take_to},
    {"--message", true, keep<&options::message_file>, true},
    {"--subject", true, keep<&options::subject>, true},
    {"--body", true, keep<&options::body>, true},
    {"--repeat", true, take_repeat, true},
    {"--bdat", false, set<&options::bdat>, true},
    {"--smtputf8", false, set<&options::smtputf8>, true},
    {"--requiretls", false, set<&options::requiretls>, true},
    {"--prdr", false, set<&options::prdr>, true},
    {"--notify", true, take_notify, true},
    {"--orcpt", true, take_orcpt, true},
    {"--ret", true, take_ret, true},
    {"--envid", true, take_envid, true},
    {"--json", false, set<&options::json>},
    {"--quiet", false, set<&options::quiet>},
    {"--no-color", false, clear<&options::color>},
};

const option* find(std::string_view name) {
  for (const option& o : option_table)
    if (o.name == name) return &o;
  return nullptr;
}

// The machine's name, where EHLO may say it.
std::string own_name() {
  std::array<char, max_host_name> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return smtp::valid_helo_name(name.data()) ? name.data() : "localhost";
}

bool read_arguments(parsed& o, int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with('-')) {
      if (!o.target_text.empty())
        return fail(o, quoted(argument) + " is a second server; give one");
      o.target_text = argument;
      continue;
    }
    // --option=value or --option value.
    const std::size_t equals = argument.find('=');
    const bool joined = equals != std::string_view::npos;
    o.now = argument.substr(0, equals);
    const option* const known = find(o.now);
    if (known == nullptr) return fail(o, o.now + " is not an option: see --help");
    if (joined && !known->has_value) return fail(o, o.now + " takes no value");
    if (known->has_value && !joined && i + 1 == argc) return fail(o, o.now + " needs a value");
    std::string_view value;
    if (known->has_value) value = joined ? argument.substr(equals + 1) : argv[++i];
    if (!known->take(o, value)) return false;
    if (o.help) return true;
    if (known->of_message) o.message_option = o.now;
  }
  return true;
}

// What goes with what.
bool check(parsed& o) {
  if (o.target_text.empty()) return fail(o, "which server? give HOST, or HOST:PORT: see --help");
  if (o.from && o.to.empty()) return fail(o, "--from needs --to");
  if (!o.from && !o.to.empty()) return fail(o, "--to needs --from; \"<>\" is the null sender");
  if (!o.from && !o.message_option.empty())
    return fail(o, o.message_option + " needs a message: give --from and --to");
  if (!o.message_file.empty() && (o.subject || o.body))
    return fail(o, "--message is a whole message: --subject and --body do not go with it");
  if (o.user.empty() != o.password_file.empty())
    return fail(o, "--user and --password-file go together");
  if (o.message_file == "-" && o.password_file == "-")
    return fail(o, "--message and --password-file cannot both be standard input");
  if (o.verify && o.tls == tls_use::none) return fail(o, "--verify does not go with --tls none");
  return true;
}

// What follows from what.
bool complete(parsed& o) {
  if (o.verify && o.tls == tls_use::opportunistic) o.tls = tls_use::required;
  if (o.hello.empty()) o.hello = own_name();
  for (smtp::recipient& r : o.to) r.notify = o.notify;
  const std::uint16_t port = o.tls == tls_use::implicit ? smtps_port
                             : o.lmtp                   ? lmtp_port
                                                        : smtp_port;
  const auto target = smtp::parse_connect_target(o.target_text, port);
  if (!target)
    return fail(
        o, quoted(o.target_text) + " is not HOST[:PORT], ADDRESS[:PORT], [IPV6]:PORT or unix:PATH");
  o.target = *target;
  using kind = smtp::connect_target::kind;
  if (o.target.what() == kind::name) o.host = o.target.host();
  if (o.target.what() == kind::address) o.host = o.target.endpoint().address.text();
  if (o.server_name.empty()) o.server_name = o.host;
  return true;
}

}  // namespace

options parse_command_line(int argc, const char* const* argv) {
  parsed o;
  const bool fine = read_arguments(o, argc, argv) && (o.help || (check(o) && complete(o)));
  if (!fine && o.wrong.empty()) o.wrong = o.now + ": not a value";
  return std::move(static_cast<options&>(o));
}

}  // namespace probe
