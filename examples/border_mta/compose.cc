#include "examples/border_mta/compose.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include "checks/dmarc/public_suffix.hpp"
#include "examples/border_mta/default_config.hpp"
#include "examples/border_mta/dmarc_exceptions.hpp"
#include "smtp/domain.hpp"
#include "smtp/tls/self_signed.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace routing = gatepost::routing;
namespace smtp = gatepost::smtp;

namespace {

// A configuration or a table larger than this is some other file.
constexpr std::uintmax_t largest_file = 256u << 20;

std::string last_error() { return std::strerror(errno); }

// The file's text, or what is wrong with it.
std::optional<std::string> read_file(const std::string& name, problems& wrong) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(name, error);
  if (!error && size > largest_file) error = std::make_error_code(std::errc::file_too_large);
  std::ifstream file(name, std::ios::binary);
  if (error || !file) {
    const std::string why = error ? error.message() : last_error();
    wrong.push_back(name + ": cannot be read: " + why + "; see to its name and permissions");
    return std::nullopt;
  }
  std::stringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::string machine_name() {
  char name[HOST_NAME_MAX + 1] = {};
  ::gethostname(name, sizeof name - 1);
  return smtp::valid_domain(name) ? name : "localhost";
}

template <class Check, class Options>
Check* add(checks::chain& chain, const check_section<Options>& c) {
  if (!c.enabled) return nullptr;
  return &chain.add<Check>({.deadline = c.deadline, .on_error = c.on_error}, c.options);
}

template <class Check, class Options>
Check* add(checks::chain::group& group, const check_section<Options>& c, Options options,
           smtp::dns::resolver& dns) {
  if (!c.enabled) return nullptr;
  return &group.add<Check>({.deadline = c.deadline, .on_error = c.on_error}, dns,
                           std::move(options));
}

// The options, with the one rule of who the client is.
template <class Options>
Options about(const checks::true_client& client, Options options) {
  options.client = client;
  return options;
}

// The checks that ask the DNS, all at the same time.
void add_lookups(checks::chain& chain, const checks_section& c, const check_surroundings& around,
                 added_checks& added) {
  const checks::true_client client(c.client);
  smtp::dns::resolver& dns = around.dns;
  checks::chain::group lookups = chain.concurrently();
  add<checks::reverse_dns>(lookups, c.reverse_dns, about(client, c.reverse_dns.options), dns);
  added.spf = add<checks::spf::check>(lookups, c.spf, about(client, c.spf.options), dns);
  add<checks::helo_dns>(lookups, c.helo_dns, about(client, c.helo_dns.options), dns);
  add<checks::mail_domain>(lookups, c.mail_domain, about(client, c.mail_domain.options), dns);
  if (c.dnsbl.options.lists.empty()) return;
  checks::dnsbl_options lists = about(client, c.dnsbl.options);
  lists.observer = &around.observer;
  added.dnsbl = add<checks::dnsbl>(lookups, c.dnsbl, std::move(lists), dns);
}

// Who the sender is. DMARC comes behind what it builds on, and Authentication-Results last.
void add_sender_checks(checks::chain& chain, const checks_section& c,
                       const check_surroundings& around, added_checks& added) {
  checks::chain::group signatures = chain.concurrently();
  added.dkim = add<checks::dkim::verifier>(signatures, c.dkim, c.dkim.options, around.dns);
  added.arc = add<checks::arc::verifier>(signatures, c.arc, c.arc.options, around.dns);
  checks::chain::group behind = chain.concurrently();
  checks::dmarc::check_options dmarc = about(checks::true_client(c.client), c.dmarc.options);
  dmarc.suffixes = around.suffixes;
  dmarc.reports = around.reports;
  dmarc.on_outcome = around.on_outcome;
  dmarc.local_policy = local_policy_of(c.dmarc_exceptions);
  add<checks::dmarc::check>(behind, c.dmarc, std::move(dmarc), around.dns);
  add<checks::auth_results>(chain, c.auth_results);
}

// Whether an error of TLS is about this file, which it begins with then.
bool is_about(std::string_view error, const std::string& file) {
  return !file.empty() && error.starts_with(file + ": ");
}

bool is_about_ciphers(std::string_view error) { return error.starts_with("TLS ciphers "); }

// The key of [tls] that an error is about.
std::string key_of_tls(const config& c, std::string_view error) {
  if (is_about_ciphers(error)) return "tls.ciphers";
  if (is_about(error, c.tls.options.client_ca_file)) return "tls.client_ca";
  const auto& certificates = c.tls.options.certificates;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const std::string entry = "tls.certificates[" + std::to_string(i) + ']';
    if (is_about(error, certificates[i].key_file)) return entry + ".key";
    if (is_about(error, certificates[i].chain_file)) return entry + ".chain";
  }
  return "tls";
}

// Loading ends at the first thing that is wrong, and here each is tried by itself. The ciphers need
// no trial: they come first.
std::vector<std::string> all_errors_of_tls(const config& c, std::string first) {
  std::vector<std::string> all{std::move(first)};
  const auto try_out = [&all](const smtp::tls_server_options& part) {
    smtp::server_context trial;
    const smtp::load_outcome loaded = trial.load(part);
    if (!loaded && std::find(all.begin(), all.end(), loaded.error) == all.end())
      all.push_back(loaded.error);
  };
  smtp::tls_server_options part = c.tls.options;
  part.ciphers.clear();
  part.clients = smtp::client_certificates::none;
  for (const smtp::certificate_source& one : c.tls.options.certificates) {
    part.certificates = {one};
    try_out(part);
  }
  const smtp::pem_pair sound = smtp::make_self_signed({"localhost"}, 1);
  part.certificates = {smtp::certificate_source::from_pem(sound.cert_pem, sound.key_pem)};
  part.clients = c.tls.options.clients;
  if (sound) try_out(part);
  return all;
}

// The key of [relay.tls] that an error is about.
std::string key_of_client_tls(const config& c, std::string_view error) {
  if (is_about_ciphers(error)) return "relay.tls.ciphers";
  if (is_about(error, c.relay.tls.ca_file)) return "relay.tls.ca_file";
  return is_about(error, c.relay.tls.ca_directory) ? "relay.tls.ca_directory" : "relay.tls";
}

}  // namespace

void append(problems& all, problems more) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

problems read_config(const config_source& from, config& into) {
  problems wrong;
  std::optional<std::string> text(default_config);
  if (!from.file.empty()) text = read_file(from.file, wrong);
  if (!text) {
    into.wrong = {""};
    return wrong;
  }
  parsed_config parsed = parse_config(*text, from.name(), from.base);
  for (const config_error& e : parsed.errors) wrong.push_back(e.text());
  into = std::move(parsed.value);
  if (!from.listen.empty()) into.listeners = {smtp::listener{.address = from.listen}};
  return wrong;
}

void complete(config& c) {
  c.set_hostname(c.hostname.empty() ? machine_name() : c.hostname);
  std::string& counts = c.checks.dmarc_reports.file;
  if (counts.empty()) counts = c.checks.dmarc_reports.directory + "/.counts";
}

problems load_certificates(const config& c, smtp::server_context& into) {
  problems wrong;
  smtp::tls_server_options options = c.tls.options;
  if (options.certificates.empty()) {
    if (!c.tls.self_signed) return {};
    // It lives until the next start; a year is more than enough.
    const smtp::pem_pair made = smtp::make_self_signed({c.hostname}, 365);
    if (!made) {
      c.complain(
          wrong, "server.hostname",
          "a certificate for \"" + c.hostname + "\" cannot be made; name one in tls.certificates");
      return wrong;
    }
    options.certificates.push_back(smtp::certificate_source::from_pem(made.cert_pem, made.key_pem));
  }
  const smtp::load_outcome loaded = into.load(std::move(options));
  if (loaded) return {};
  for (const std::string& error : all_errors_of_tls(c, loaded.error))
    c.complain(wrong, key_of_tls(c, error), error);
  return wrong;
}

problems load_client_tls(const config& c, smtp::client_context& into) {
  problems wrong;
  const smtp::load_outcome loaded = into.load(c.relay.tls);
  if (!loaded) c.complain(wrong, key_of_client_tls(c, loaded.error), loaded.error);
  return wrong;
}

namespace {

// What stands against Maildirs below this folder; empty: nothing. One that is absent will be made.
std::string why_no_maildirs(const std::string& folder) {
  struct ::stat status{};
  if (::stat(folder.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return folder + ": " + std::strerror(errno) + "; name another folder";
  }
  if (!S_ISDIR(status.st_mode)) return folder + ": is no folder; name another one";
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return {};
  return folder + ": " + std::strerror(errno) + "; name another folder, or chown it to " +
         std::to_string(::geteuid());
}

}  // namespace

problems load_routes(const config& c, routing::route_map& into) {
  problems wrong;
  std::string file;
  if (!c.routes.file.empty()) {
    problems unread;
    std::optional<std::string> text = read_file(c.routes.file, unread);
    for (const std::string& why : unread) c.complain(wrong, "routes.file", why);
    if (!text) return wrong;
    file = std::move(*text);
  }
  const auto lines = static_cast<std::size_t>(std::count(file.begin(), file.end(), '\n')) +
                     (file.empty() || file.ends_with('\n') ? 0 : 1);
  const std::string all = routes_text(c.routes, file);
  for (const route_problem& p : read_routes(all, c.relay.mode, into)) {
    // Behind the lines of the file come the rules.
    if (p.line > lines)
      c.complain(wrong, "routes.rules[" + std::to_string(p.line - lines - 1) + ']', p.what);
    else
      wrong.push_back(c.routes.file + ':' + std::to_string(p.line) + ": " + p.what);
  }
  if (all.find("maildir:" + c.routes.maildirs) == all.npos) return wrong;
  const std::string why = why_no_maildirs(c.routes.maildirs);
  if (!why.empty()) c.complain(wrong, "routes.maildirs", why);
  return wrong;
}

problems load_suffixes(const config& c, suffix_list& into) {
  using checks::dmarc::public_suffix_list;
  const auto& dmarc = c.checks.dmarc;
  const bool by_list = dmarc.options.regime == checks::dmarc::regime::rfc7489;
  // Reports want to know whose domain one is.
  if (!dmarc.enabled || !(by_list || c.checks.dmarc_reports.any())) return {};
  if (auto found = public_suffix_list::system()) {
    into = std::make_shared<const public_suffix_list>(*std::move(found));
    return {};
  }
  const bool counted = c.checks.dmarc_reports.enabled;
  problems wrong;
  c.complain(wrong,
             by_list   ? "checks.dmarc.rfc"
             : counted ? "checks.dmarc.reports.enabled"
                       : "checks.dmarc.reports.failure.enabled",
             "there is no public suffix list here; install the package publicsuffix");
  return wrong;
}

added_checks add_checks(checks::chain& chain, const checks_section& c,
                        const check_surroundings& around) {
  added_checks added;
  add<checks::connection_limit>(chain, c.connection_limit);
  add<checks::early_talker>(chain, c.early_talker);
  add<checks::helo>(chain, c.helo);
  add<checks::volume_limit>(chain, c.volume_limit);
  add_lookups(chain, c, around, added);
  added.relay_domains = add<checks::relay_domains>(chain, c.relay_domains);
  add<checks::loop>(chain, c.loop);
  add_sender_checks(chain, c, around, added);
  return added;
}

namespace {

// What stands against files in a folder; empty: nothing. `how`: as access() takes it.
std::string why_no_files(const std::string& place, int how = W_OK | X_OK) {
  struct stat found{};
  std::string why;
  if (::stat(place.c_str(), &found) != 0)
    why = last_error();
  else if (!S_ISDIR(found.st_mode))
    why = std::strerror(ENOTDIR);
  else if (::faccessat(AT_FDCWD, place.c_str(), how, AT_EACCESS) != 0)
    why = last_error();
  if (why.empty()) return {};
  return place + ": user " + std::to_string(::geteuid()) + " may not " +
         ((how & R_OK) != 0 ? "read and write" : "write") + " here (" + why +
         "); name another folder, or chown it";
}

}  // namespace

problems try_overflow(const config& c) {
  problems wrong;
  const std::string why = why_no_files(c.relay.cut_through.directory);
  if (!why.empty()) c.complain(wrong, "relay.cut_through.directory", why);
  return wrong;
}

namespace {

// Who syncs a folder has to read it, too.
constexpr int read_and_write = R_OK | W_OK | X_OK;

// What stands against keeping counts in a file, which is made where it is absent; empty: nothing.
std::string why_no_counts(const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path();
  if (std::string why = why_no_files(folder, read_and_write); !why.empty()) return why;
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0)
    return errno == ENOENT ? "" : file + ": " + last_error() + "; name another file";
  if (!S_ISREG(found.st_mode)) return file + ": is no file; name another one, or move it away";
  if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0) return {};
  return file + ": user " + std::to_string(::geteuid()) + " may not read it (" + last_error() +
         "); chown it, or name another file";
}

}  // namespace

problems try_reports(const config& c) {
  const reports_section& r = c.checks.dmarc_reports;
  problems wrong;
  if (!r.any()) return wrong;
  if (const std::string why = why_no_files(r.directory, read_and_write); !why.empty())
    c.complain(wrong, "checks.dmarc.reports.directory", why);
  else if (const std::string no_counts = r.enabled ? why_no_counts(r.file) : ""; !no_counts.empty())
    c.complain(wrong, "checks.dmarc.reports.file", no_counts);
  return wrong;
}

namespace {

// What is wrong with a directory that is to hold a spool.
std::string why_no_new_spool(const std::string& above) {
  if (::access(above.c_str(), F_OK) != 0)
    return above + ": " + last_error() + "; make the directory, or name another place";
  if (::faccessat(AT_FDCWD, above.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
  return above + ": user " + std::to_string(::geteuid()) + " may not write here (" + last_error() +
         "); chown it, or name another place";
}

// And with one that holds one. A run by another user leaves parts that are that user's.
std::string why_no_spool(const std::filesystem::path& spool) {
  struct stat found{};
  if (::stat(spool.c_str(), &found) != 0) return why_no_new_spool(spool.parent_path().string());
  if (!S_ISDIR(found.st_mode))
    return spool.string() + ": is not a directory, and so no place for a spool; name another one";
  const std::string me = std::to_string(::geteuid());
  for (const std::filesystem::path& part : {spool, spool / "bodies", spool / "db"}) {
    const int how = R_OK | W_OK | X_OK;
    if (::faccessat(AT_FDCWD, part.c_str(), how, AT_EACCESS) == 0 || errno == ENOENT) continue;
    return part.string() + ": user " + me + " may not read and write here (" + last_error() +
           "); run: chown -R " + me + ' ' + spool.string();
  }
  if ((found.st_mode & 077) == 0) return {};
  return spool.string() + ": others may read or write mail here; chmod 700 it";
}

problems try_spool(const config& c) {
  problems wrong;
  const std::string why = why_no_spool(c.spool.options.directory);
  if (!why.empty()) c.complain(wrong, "spool.directory", why);
  return wrong;
}

}  // namespace

problems try_files(const config& c) {
  suffix_list suffixes;
  problems wrong = load_suffixes(c, suffixes);
  const bool keeps = c.relay.mode == delivery_mode::spool;
  if (!c.in_doubt("relay.mode")) append(wrong, keeps ? try_spool(c) : try_overflow(c));
  append(wrong, try_reports(c));
  if (const std::string& log = c.log.file; !log.empty()) {
    const bool exists = ::access(log.c_str(), F_OK) == 0;
    const std::string where = exists ? log : std::filesystem::path(log).parent_path().string();
    if (::faccessat(AT_FDCWD, where.c_str(), W_OK, AT_EACCESS) != 0 ||
        std::filesystem::is_directory(log))
      c.complain(wrong, "log.file", log + ": cannot be written; make its folder, or chown it");
  }
  return wrong;
}

}  // namespace border_mta
