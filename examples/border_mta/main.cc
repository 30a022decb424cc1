// border_mta: takes mail by SMTP, checks it, keeps it safe, delivers it. One program, composed of
// the library's parts; what it does is what its configuration says (config.hpp).

#include <unistd.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "checks/chain.hpp"
#include "examples/border_mta/cache_notes.hpp"
#include "examples/border_mta/command_line.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/default_config.hpp"
#include "examples/border_mta/outbound.hpp"
#include "examples/border_mta/queue.hpp"
#include "examples/border_mta/reload.hpp"
#include "examples/border_mta/reporting.hpp"
#include "examples/border_mta/signals.hpp"
#include "examples/border_mta/signing.hpp"
#include "examples/standard_streams.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/cares_resolver.hpp"
#include "smtp/io_threads.hpp"
#include "smtp/json_log.hpp"
#include "smtp/limit_counters.hpp"
#include "smtp/observer.hpp"
#include "smtp/server.hpp"

namespace border_mta {
namespace {

namespace checks = gatepost::checks;
namespace smtp = gatepost::smtp;

constexpr int good = 0;
constexpr int not_found = 1;
constexpr int wrong = 2;

int fail(const problems& lines) {
  for (const std::string& line : lines) std::cerr << "border_mta: " << line << '\n';
  return wrong;
}

int fail(std::string line) { return fail(problems{std::move(line)}); }

// --- Serving
// ---------------------------------------------------------------------------------------

checks::chain_options chain_options_of(const config& c, smtp::observer& observer) {
  checks::chain_options options = c.checks.chain;
  options.observer = &observer;
  if (c.checks.postmaster_gets_all) options.let_through = &checks::let_postmaster_through;
  return options;
}

// Nothing, and a problem, where c-ares cannot be set up.
std::unique_ptr<smtp::dns::cares_resolvers> make_resolver(const config& c,
                                                          const smtp::io_threads& threads,
                                                          std::string& problem) {
  try {
    return std::make_unique<smtp::dns::cares_resolvers>(threads.contexts(), c.dns.options);
  } catch (const std::runtime_error& e) {
    problem = e.what();
    return nullptr;
  }
}

// Behind all other checks: what they found is sealed. nullptr where no key signs.
signing_check* add_signing(checks::chain& chain, const sign_section& s,
                           const shared_signing& parts) {
  if (!s.any()) return nullptr;
  return &chain.add<signing_check>(
      {.deadline = std::chrono::seconds(5), .on_error = checks::on_error::defer}, parts);
}

// What is wrong with the DNS lists goes to the log.
asio::awaitable<void> test_lists(const checks::dnsbl& lists, smtp::json_log& log) {
  const std::vector<std::string> wrong = co_await lists.self_check();
  for (const std::string& what : wrong) log.note(smtp::log_level::warning, "check dnsbl", what);
}

// What came of the questions to each list since the start.
void note_lists(const checks::dnsbl* lists, smtp::json_log& log) {
  if (lists == nullptr) return;
  for (const checks::dnsbl_stats& s : lists->stats())
    log.note(smtp::log_level::info, "check dnsbl", to_string(s));
}

// Which limits were reached since the start, and how often.
void note_limits(const smtp::server_counters& all, smtp::json_log& log) {
  std::string reached;
  for (std::size_t i = 0; i < smtp::limit_kinds; ++i) {
    if (all.limits[i] == 0) continue;
    const auto kind = static_cast<smtp::limit_kind>(i);
    reached += (reached.empty() ? "" : ", ") + std::string(to_string(kind)) + " " +
               std::to_string(all.limits[i]);
  }
  if (!reached.empty())
    log.note(smtp::log_level::info, "limits", "reached since the start: " + reached);
}

problems listen(smtp::server& server, const config& c, const command_line& how) {
  problems all;
  for (std::size_t i = 0; i < c.listeners.size(); ++i) {
    const auto problem = server.listen(c.listeners[i]);
    if (!problem) continue;
    const std::string key = "server.listen[" + std::to_string(i) + "].address";
    all.push_back(how.listen.empty() ? c.complaint(key, *problem) : "--listen: " + *problem);
  }
  return all;
}

// What tools/demo, and everybody who waits for the server, reads.
void say_ready(const config& c, const config_source& from, const smtp::server& server) {
  std::cout << "border_mta " GATEPOST_VERSION ": " << c.hostname << '\n';
  if (from.file.empty()) std::cout << "files are in " << from.base << '\n';
  for (const smtp::listener& l : c.listeners)
    if (l.address.starts_with("unix:")) std::cout << "listening on " << l.address << '\n';
  for (const smtp::endpoint& e : server.endpoints())
    std::cout << "listening on " << e.text() << '\n';
  std::cout << "ready" << std::endl;
}

int serve(const config& c, const config_source& from, const command_line& how) {
  signals caught({SIGHUP, SIGUSR1, SIGTERM, SIGINT});
  std::string problem;
  const std::unique_ptr<smtp::json_log> log = smtp::json_log::open(c.log, problem);
  if (!log) return fail(c.complaint("log.file", problem));

  reloadable parts;
  if (const problems p = parts.load(c); !p.empty()) return fail(p);
  smtp::io_threads threads(c.threads);
  const auto resolver = make_resolver(c, threads, problem);
  if (!resolver) return fail(c.complaint("dns", problem));
  suffix_list suffixes;
  if (const problems p = load_suffixes(c, suffixes); !p.empty()) return fail(p);
  reporting reports(c, {threads.front(), *resolver, *log, suffixes});
  checks::chain chain(chain_options_of(c, *log));
  check_surroundings around{*resolver, *log, suffixes};
  reports.serve(around);
  const added_checks added = add_checks(chain, c.checks, around);
  parts.relay_domains = added.relay_domains;
  parts.sign = add_signing(chain, c.sign, parts.signatures);
  tell_records(*parts.signatures, *log);

  const auto out =
      make_outbound(c, {threads.front(), parts.routes, *log, parts.client_tls}, problem);
  if (!out) return fail(problem);
  smtp::server_options settings = c.server;
  settings.observer = log.get();
  if (parts.certificates.ready()) settings.tls = &parts.certificates;
  smtp::server server(threads.contexts(), settings, chain, out->delivery());
  if (const problems p = listen(server, c, how); !p.empty()) return fail(p);
  // Now nobody else has our spool and our addresses, and so our counts.
  if (const problems p = reports.load(parts.sign); !p.empty()) return fail(p);
  if (const std::error_code failed = out->start())
    return fail(c.complaint("spool.directory", failed.message()));
  reports.start();

  const cache_notes caches(threads.contexts(), *resolver, added, *log);
  bool stopping = false;
  caught.start([&](int number) {
    if (number == SIGHUP) {
      parts.reload(c, from, *log);
      out->flush();
    } else if (number == SIGUSR1) {
      const std::string failed = log->reopen();
      if (!failed.empty()) log->note(smtp::log_level::error, "log", failed);
      note_lists(added.dnsbl, *log);
      note_limits(server.counters(), *log);
      caches.write_soon();
    } else if (!std::exchange(stopping, true)) {
      reports.stop();
      server.stop();
      out->stop(c.server.stop_within);
    } else {
      server.stop_now();
      out->stop(std::chrono::milliseconds(0));
    }
  });
  if (added.dnsbl != nullptr && c.checks.dnsbl_self_check)
    asio::co_spawn(threads.front(), test_lists(*added.dnsbl, *log), [](const std::exception_ptr&) {
      // It was cancelled by the end of the server.
    });
  say_ready(c, from, server);
  threads.run();
  caught.stop();
  reports.finish();
  note_lists(added.dnsbl, *log);
  note_limits(server.counters(), *log);
  caches.write_now();
  return good;
}

// --- Other tasks
// -----------------------------------------------------------------------------------

// Addresses of --listen; those of a file were looked at when it was read.
problems try_listeners(const config& c, const command_line& how) {
  problems all;
  for (const smtp::listener& l : c.listeners)
    if (!how.listen.empty() && !l.address.starts_with("unix:/") && !smtp::parse_endpoint(l.address))
      all.push_back("--listen: " + l.address + ": no address; write ADDRESS:PORT or unix:/PATH");
  return all;
}

// What is wrong with all that the configuration names.
problems try_all(const config& c, const command_line& how) {
  problems all = try_listeners(c, how);
  reloadable parts;
  append(all, parts.load(c));
  append(all, try_files(c));
  return all;
}

int check(const config& c, const config_source& from, const command_line& how) {
  if (const problems p = try_all(c, how); !p.empty()) return fail(p);
  std::cout << from.name() << ": nothing is wrong\n";
  return good;
}

int use_queue(const config& c, const command_line& how) {
  std::string problem;
  const auto spool = open_spool(c, nullptr, nullptr, problem);
  if (!spool) return fail(problem);
  const auto now = std::chrono::system_clock::now();
  std::error_code failed;
  switch (how.what) {
    case command_line::task::release: failed = release_message(*spool, how.id, now); break;
    case command_line::task::remove: failed = remove_message(*spool, how.id); break;
    default: failed = list_queue(*spool, now, std::cout);
  }
  if (!failed) return good;
  const bool unknown = failed == smtp::errc::not_found;
  fail(c.spool.options.directory + ": " +
       (unknown ? "there is no message " + how.id : failed.message()));
  return unknown ? not_found : wrong;
}

// Tells a terminal what the spool has to say.
class teller final : public smtp::observer {
 public:
  void on_trouble(const smtp::trouble_event& event) override { std::cout << event.what << '\n'; }
};

int repair(const config& c) {
  teller aloud;
  config damaged = c;
  damaged.spool.options.repair = true;
  std::string problem;
  const auto spool = open_spool(damaged, nullptr, &aloud, problem);
  if (!spool) return fail(problem);
  std::cout << c.spool.options.directory << ": opens, and has " << spool->stats().messages
            << " messages\n";
  return good;
}

// The folder that relative paths are under; made where the built-in configuration has none.
problems find_base(const command_line& how, config_source& from) {
  std::error_code error;
  if (!how.directory.empty()) {
    std::filesystem::create_directories(how.directory, error);
    from.base = std::filesystem::absolute(how.directory, error).lexically_normal().string();
    if (!std::filesystem::is_directory(how.directory, error))
      return {how.directory + ": is no folder and cannot be made one; name another with --dir"};
  } else if (!from.file.empty()) {
    from.base = std::filesystem::absolute(from.file, error).lexically_normal().parent_path();
  } else if (how.what == command_line::task::run) {
    const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
    if (error)
      return {"TMPDIR: " + error.message() + "; mend it, or name another folder with --dir"};
    from.base = temporary / "border_mta.XXXXXX";
    if (::mkdtemp(from.base.data()) == nullptr)
      return {from.base + ": a folder cannot be made here; name another with --dir"};
  } else {
    from.base = "/";
  }
  return {};
}

// What a check needs as long as it goes on, and was not there before.
class folder_for_now {
 public:
  explicit folder_for_now(const command_line& how) {
    std::error_code error;
    const bool check = how.what == command_line::task::check;
    if (check && !how.directory.empty() && !std::filesystem::exists(how.directory, error))
      made_ = how.directory;
  }
  folder_for_now(const folder_for_now&) = delete;
  folder_for_now& operator=(const folder_for_now&) = delete;
  ~folder_for_now() {
    std::error_code error;
    if (!made_.empty()) std::filesystem::remove(made_, error);
  }

 private:
  std::string made_;
};

int run(const command_line& how) {
  const folder_for_now folder(how);
  config_source from{.file = how.config_file, .base = {}, .listen = how.listen};
  if (how.what == command_line::task::print && how.config_file.empty()) {
    std::cout << default_config;
    return good;
  }
  if (const problems p = find_base(how, from); !p.empty()) return fail(p);
  config c;
  problems wrong = read_config(from, c);
  if (wrong.empty() && how.what == command_line::task::print) {
    std::cout << write_config(c);
    return good;
  }
  complete(c);
  const bool is_for_service =
      how.what == command_line::task::run || how.what == command_line::task::check;
  if (!wrong.empty() && is_for_service) append(wrong, try_all(c, how));
  if (!wrong.empty()) return fail(wrong);
  switch (how.what) {
    case command_line::task::check: return check(c, from, how);
    case command_line::task::run: return serve(c, from, how);
    case command_line::task::repair: return repair(c);
    default: return use_queue(c, how);
  }
}

int main(int argc, char** argv) {
  examples::keep_standard_streams();
  // A client that is gone is an error of the write, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  const command_line how = parse_command_line(argc, argv);
  if (!how.wrong.empty()) return fail(how.wrong);
  if (how.what == command_line::task::help) {
    std::cout << usage;
    return good;
  }
  if (how.what == command_line::task::version) {
    std::cout << "border_mta " GATEPOST_VERSION "\n";
    return good;
  }
  const int status = run(how);
  // Who serves does not mind.
  const bool answers = how.what != command_line::task::run;
  if (answers && !examples::output_is_whole()) return fail(examples::output_is_cut);
  return status;
}

}  // namespace
}  // namespace border_mta

int main(int argc, char** argv) { return border_mta::main(argc, argv); }
