#include "examples/border_mta/signing.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "checks/arc/sealer.hpp"
#include "checks/auth_results.hpp"
#include "checks/auth_results_check.hpp"
#include "checks/context.hpp"
#include "checks/dkim/key_set.hpp"
#include "checks/dkim/signer.hpp"
#include "checks/spf/outcome.hpp"
#include "checks/true_client.hpp"
#include "examples/border_mta/values.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/ip.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace dkim = gatepost::checks::dkim;
namespace smtp = gatepost::smtp;

namespace {

// What stands against using a key's file; empty: nothing.
std::string why_not_used(const std::string& file) {
  struct ::stat status{};
  if (::stat(file.c_str(), &status) != 0)
    return std::string("cannot be read: ") + std::strerror(errno) + "; see to its name";
  if (!S_ISREG(status.st_mode)) return "is not a regular file; name the file itself";
  if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) != 0)
    return std::string("cannot be read: ") + std::strerror(errno) + "; run: chown " +
           std::to_string(::geteuid()) + ' ' + file;
  // Whoever can read the key can sign as the domain.
  if ((status.st_mode & S_IRWXO) != 0)
    return "is open to every user of this machine; run: chmod o= " + file;
  return {};
}

// A key with its names. A complaint about `entry`, "sign.dkim[0]", goes to `wrong`.
std::optional<dkim::signing_key> load_key(const config& c, const std::string& entry,
                                          const sign_key& from, problems& wrong) {
  std::string why = why_not_used(from.file);
  if (why.empty()) {
    auto key = dkim::private_key::from_file(from.file);
    if (key) {
      auto made = dkim::signing_key::make(from.domain, from.selector, *std::move(key));
      if (made) return *std::move(made);
      c.complain(wrong, entry + ".selector", made.problem());
      return std::nullopt;
    }
    why = std::string(key.problem()) + "; openssl genrsa -out " + from.file + " 2048 makes a key";
  }
  c.complain(wrong, entry + ".key", from.file + ": " + why);
  return std::nullopt;
}

std::string record_of(const dkim::signing_key& key) {
  return key.key_name() + " TXT \"" + key.key.dns_record() + '"';
}

// The check is asked only about mail that is ours: it looks at no address itself.
smtp::network_set everywhere() {
  smtp::network_set all;
  for (const char* network : {"0.0.0.0/0", "::/0"}) all.add(*smtp::parse_ip_network(network));
  return all;
}

std::shared_ptr<checks::check> load_signer(const config& c, signing_parts& parts, problems& wrong) {
  dkim::key_set& keys = parts.keys;
  for (std::size_t i = 0; i < c.sign.dkim.size(); ++i) {
    const sign_key& from = c.sign.dkim[i];
    const std::string entry = "sign.dkim[" + std::to_string(i) + ']';
    std::optional<dkim::signing_key> key = load_key(c, entry, from, wrong);
    if (!key) continue;
    parts.records.push_back(record_of(*key));
    const auto begin = parse_date(from.from);
    keys.add(*std::move(key), begin ? *begin : dkim::key_set::time_point::min());
  }
  if (keys.empty()) return nullptr;
  dkim::signer_options options;
  options.sign.fields = c.sign.fields;
  if (c.sign.expires.count() != 0) options.sign.expires_after = c.sign.expires;
  options.networks = everywhere();
  parts.how = options.sign;
  return std::make_shared<dkim::signer>(keys, std::move(options));
}

// Beside arc= and dkim=, what the other checks have found (RFC 8617 §4.1.1).
std::string sealed_results(const checks::context& ctx, const checks::true_client& client) {
  std::vector<checks::auth_method> more =
      checks::all_auth_results(ctx.notes(), ctx.transaction_notes());
  if (const auto* mail = ctx.transaction_notes().find<checks::spf::mail_note>())
    more.push_back(checks::spf_method(mail->outcome));
  std::string results = checks::arc::results_of(ctx, client);
  if (more.empty()) return results;
  checks::sort_auth_results(more);
  const std::string field = checks::write_auth_results("x", more);
  const std::string_view behind = std::string_view(field).substr(field.find(';') + 1);
  if (!results.empty()) results += ';';
  results += behind;
  results.erase(0, results.find_first_not_of(' '));
  return results;
}

std::shared_ptr<checks::check> load_sealer(const config& c, signing_parts& parts, problems& wrong) {
  const sign_key& from = c.sign.arc;
  if (from.domain.empty()) return nullptr;
  // RFC 8617 §5.1: a seal says how the chain stood.
  if (!c.checks.arc.enabled && !c.in_doubt("checks.arc.enabled"))
    c.complain(wrong, "sign.arc",
               "chains that come in are not looked at, and such cannot be sealed; write "
               "enabled = true in [checks.arc], or take this out");
  std::optional<dkim::signing_key> key = load_key(c, "sign.arc", from, wrong);
  if (!key) return nullptr;
  parts.records.push_back(record_of(*key));
  checks::arc::sealer_options options;
  options.domain = key->domain;
  options.authserv_id = c.checks.auth_results.options.authserv_id;
  options.results = [client = checks::true_client(c.checks.client)](const checks::context& ctx) {
    return sealed_results(ctx, client);
  };
  dkim::key_set keys;
  keys.add(*std::move(key));
  return std::make_shared<checks::arc::sealer>(std::move(keys), std::move(options));
}

// What works on one message.
struct signing_state {
  std::shared_ptr<checks::check> by;
};

}  // namespace

problems load_signing(const config& c, shared_signing& into) {
  problems wrong;
  const auto parts = std::make_shared<signing_parts>();
  parts->whose = c.sign;
  parts->signer = load_signer(c, *parts, wrong);
  parts->sealer = load_sealer(c, *parts, wrong);
  if (wrong.empty()) into = parts;
  return wrong;
}

void tell_records(const signing_parts& parts, smtp::json_log& log) {
  for (const std::string& record : parts.records)
    log.note(smtp::log_level::info, "sign", "the DNS has to have: " + record);
}

std::string sign_message(const signing_parts& parts, const std::string& domain,
                         std::string message) {
  const auto now = std::chrono::system_clock::now();
  const auto keys = parts.keys.keys_for(domain, now);
  const auto header = smtp::read_header(message);
  if (keys.empty() || !header) return message;
  const std::string_view text = message;
  dkim::signing work(parts.how);
  work.body(text.substr(header->body_offset));
  std::string fields;
  for (const dkim::signing_key* key : keys) fields += work.field({text, header->fields}, *key, now);
  return fields + message;
}

bool is_ours(const smtp::session_facts& who, const sign_section& whose) {
  const auto& channels = whose.channels;
  if (who.authenticated() ||
      std::find(channels.begin(), channels.end(), who.channel) != channels.end())
    return true;
  return who.has_client_address() ? whose.networks.contains(who.client.address)
                                  : whose.unix_sockets;
}

shared_signing signing_check::parts() const {
  const std::lock_guard lock(mutex_);
  return parts_;
}

void signing_check::replace(shared_signing parts) {
  const std::lock_guard lock(mutex_);
  parts_.swap(parts);
}

asio::awaitable<checks::verdict> signing_check::on_header_end(checks::context& ctx) {
  auto& mine = ctx.transaction_notes().own<signing_state>(this);
  const shared_signing now = parts();
  mine.by = is_ours(ctx.facts(), now->whose) ? now->signer : now->sealer;
  return mine.by ? mine.by->on_header_end(ctx) : check::on_header_end(ctx);
}

asio::awaitable<checks::verdict> signing_check::on_body(checks::context& ctx,
                                                        std::string_view text) {
  auto& mine = ctx.transaction_notes().own<signing_state>(this);
  return mine.by ? mine.by->on_body(ctx, text) : check::on_body(ctx, text);
}

asio::awaitable<checks::verdict> signing_check::on_message(checks::context& ctx) {
  auto& mine = ctx.transaction_notes().own<signing_state>(this);
  return mine.by ? mine.by->on_message(ctx) : check::on_message(ctx);
}

}  // namespace border_mta
