#include "examples/border_mta/service.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "examples/border_mta/signing.hpp"
#include "smtp/config.hpp"
#include "smtp/limit_counters.hpp"
#include "smtp/observer.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace smtp = gatepost::smtp;

namespace {

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

}  // namespace

problems service::start(const command_line& how) {
  if (problems p = make_parts(); !p.empty()) return p;
  make_checks();
  if (problems p = make_server(); !p.empty()) return p;
  if (problems p = listen(*server_, config_, how); !p.empty()) return p;
  return begin();
}

// What checks and server are made of.
problems service::make_parts() {
  std::string problem;
  log_ = smtp::json_log::open(config_.log, problem);
  if (!log_) return {config_.complaint("log.file", problem)};
  if (problems p = parts_.load(config_); !p.empty()) return p;
  threads_.emplace(config_.threads);
  resolver_ = make_resolver(config_, *threads_, problem);
  if (!resolver_) return {config_.complaint("dns", problem)};
  return load_suffixes(config_, suffixes_);
}

void service::make_checks() {
  reports_.emplace(config_, reporter_surroundings{threads_->front(), *resolver_, *log_, suffixes_});
  chain_.emplace(chain_options_of(config_, *log_));
  check_surroundings around{*resolver_, *log_, suffixes_};
  reports_->serve(around);
  added_ = add_checks(*chain_, config_.checks, around);
  parts_.relay_domains = added_.relay_domains;
  parts_.sign = add_signing(*chain_, config_.sign, parts_.signatures);
  tell_records(*parts_.signatures, *log_);
}

problems service::make_server() {
  std::string problem;
  out_ =
      make_outbound(config_, {threads_->front(), parts_.routes, *log_, parts_.client_tls}, problem);
  if (!out_) return {problem};
  smtp::server_options settings = config_.server;
  settings.observer = log_.get();
  if (parts_.certificates.ready()) settings.tls = &parts_.certificates;
  server_.emplace(threads_->contexts(), settings, *chain_, out_->delivery());
  return {};
}

// After listen(): now nobody else has our spool and our addresses, and so our counts.
problems service::begin() {
  if (problems p = reports_->load(parts_.sign); !p.empty()) return p;
  if (const std::error_code failed = out_->start())
    return {config_.complaint("spool.directory", failed.message())};
  reports_->start();
  caches_.emplace(threads_->contexts(), *resolver_, added_, *log_);
  caught_.start([this](int number) { on_signal(number); });
  begin_list_test();
  return {};
}

// On a thread of its own.
void service::on_signal(int number) {
  if (number == SIGHUP) {
    parts_.reload(config_, from_, *log_);
    out_->flush();
  } else if (number == SIGUSR1) {
    const std::string failed = log_->reopen();
    if (!failed.empty()) log_->note(smtp::log_level::error, "log", failed);
    note_counts();
    caches_->write_soon();
  } else {
    stop();
  }
}

// The second time at once.
void service::stop() {
  if (!std::exchange(stopping_, true)) {
    reports_->stop();
    server_->stop();
    out_->stop(config_.server.stop_within);
  } else {
    server_->stop_now();
    out_->stop(std::chrono::milliseconds(0));
  }
}

void service::begin_list_test() {
  if (added_.dnsbl == nullptr || !config_.checks.dnsbl_self_check) return;
  asio::co_spawn(threads_->front(), test_lists(*added_.dnsbl, *log_),
                 [](const std::exception_ptr&) {
                   // It was cancelled by the end of the server.
                 });
}

void service::note_counts() {
  note_lists(added_.dnsbl, *log_);
  note_limits(server_->counters(), *log_);
}

void service::run() {
  say_ready(config_, from_, *server_);
  threads_->run();
  caught_.stop();
  reports_->finish();
  note_counts();
  caches_->write_now();
}

}  // namespace border_mta
