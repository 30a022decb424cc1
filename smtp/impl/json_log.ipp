#ifndef GATEPOST_SMTP_IMPL_JSON_LOG_IPP
#define GATEPOST_SMTP_IMPL_JSON_LOG_IPP

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "smtp/json_log.hpp"
#include "smtp/json_text.hpp"

namespace gatepost::smtp {

struct json_log::output {
  output() : sinks(std::make_shared<spdlog::sinks::dist_sink_mt>()), logger("gatepost", sinks) {
    logger.set_pattern("%v");
    logger.set_level(spdlog::level::trace);
    logger.flush_on(spdlog::level::trace);
  }
  // Throws spdlog::spdlog_ex.
  void use(const std::string& file) {
    spdlog::sink_ptr sink;
    if (file.empty())
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    sink->set_pattern("%v");
    sinks->set_sinks({std::move(sink)});
  }
  std::shared_ptr<spdlog::sinks::dist_sink_mt> sinks;
  spdlog::logger logger;
};

namespace detail {

// RFC 3339 in UTC, to the millisecond.
inline std::string timestamp(std::chrono::system_clock::time_point when) {
  using namespace std::chrono;
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss time(floor<milliseconds>(when - day));
  char text[40];
  const int n = std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                              int(date.year()), unsigned(date.month()), unsigned(date.day()),
                              int(time.hours().count()), int(time.minutes().count()),
                              int(time.seconds().count()), int(time.subseconds().count()));
  return {text, static_cast<std::size_t>(n)};
}

// One line about to be written.
class log_line {
 public:
  log_line(spdlog::logger& to, log_level level, std::string_view event)
      : to_(to), level_(level), object_(text_) {
    object_.add("time", timestamp(std::chrono::system_clock::now()));
    object_.add("level", to_string(level));
    object_.add("event", event);
  }
  log_line(const log_line&) = delete;
  log_line& operator=(const log_line&) = delete;
  ~log_line() {
    object_.done();
    // Not as a format string: braces in it are text.
    to_.log(level_ == log_level::error ? spdlog::level::err : spdlog::level::info, text_);
  }
  json_object* operator->() { return &object_; }
  json_object& operator*() { return object_; }

 private:
  spdlog::logger& to_;
  log_level level_;
  std::string text_;
  json_object object_;
};

inline double seconds(std::chrono::nanoseconds d) {
  return std::chrono::duration<double>(d).count();
}

inline void add_client(json_object& o, const session_facts& f) {
  o.add("session", f.id);
  const std::string peer = f.unix_peer.empty() ? f.peer.text() : "unix:" + f.unix_peer;
  o.add("client", f.has_client_address() ? f.client.text() : peer);
  if (f.trusted_hop) o.add("peer", peer);
  o.add_if("helo", f.helo);
  o.add_if("user", f.auth_identity);
}

inline void add_tls(json_object& o, const session_facts& f) {
  if (!f.tls) return;
  o.add("tls", f.tls->version).add("cipher", f.tls->cipher);
  o.add_if("tls_name", f.tls->server_name);
  if (f.tls->peer.present) o.add("client_certificate", f.tls->peer.subject);
}

inline void add_envelope(json_object& o, const envelope& e) {
  o.add("from", e.reverse_path().text());
  // The log has to stay readable where there are a thousand.
  constexpr std::size_t most = 20;
  const auto all = e.recipients();
  o.begin_list("to");
  for (std::size_t i = 0; i < all.size() && i < most; ++i) o.add_item(all[i].forward_path.text());
  o.end_list();
  if (all.size() > most) o.add("recipients", std::uint64_t(all.size()));
}

}  // namespace detail

GATEPOST_DECL std::string_view to_string(log_level level) {
  switch (level) {
    case log_level::error: return "error";
    case log_level::warning: return "warning";
    case log_level::info: return "info";
    case log_level::debug: return "debug";
  }
  return "?";
}

GATEPOST_DECL json_log::json_log(const json_log_options& options)
    : options_(options), output_(std::make_unique<output>()) {}

GATEPOST_DECL json_log::~json_log() = default;

GATEPOST_DECL std::unique_ptr<json_log> json_log::open(const json_log_options& options,
                                                       std::string& problem) {
  std::unique_ptr<json_log> log(new json_log(options));
  problem = log->reopen();
  if (!problem.empty()) return nullptr;
  return log;
}

GATEPOST_DECL std::string json_log::reopen() {
  // spdlog would make the folder, open to everybody.
  const std::filesystem::path folder = std::filesystem::path(options_.file).parent_path();
  std::error_code ignored;
  if (!folder.empty() && !std::filesystem::is_directory(folder, ignored))
    return "cannot write the log: " + folder.string() + ": there is no such folder; make it first";
  try {
    output_->use(options_.file);
  } catch (const spdlog::spdlog_ex& e) {
    return "cannot write the log: " + std::string(e.what());
  }
  return {};
}

GATEPOST_DECL void json_log::note(log_level level, std::string_view where, std::string_view what) {
  if (!wants(level)) return;
  detail::log_line line(output_->logger, level, "note");
  line->add("where", where).add("what", what);
}

GATEPOST_DECL void json_log::on_connection(const connection_event& e) {
  const log_level level = e.accepted ? log_level::debug : log_level::warning;
  if (!wants(level)) return;
  detail::log_line line(output_->logger, level, "connection");
  detail::add_client(*line, e.facts);
  line->add("local", e.facts.local.text()).add("accepted", e.accepted);
  line->add_if("refused_by", e.refused_by);
}

GATEPOST_DECL void json_log::on_session_end(const session_event& e) {
  if (!wants(log_level::info)) return;
  detail::log_line line(output_->logger, log_level::info, "session");
  detail::add_client(*line, e.facts);
  detail::add_tls(*line, e.facts);
  line->add_if("channel", e.facts.channel).add("ended_by", e.ended_by);
  line->add_if("limit", e.limit);
  line->add("messages", std::uint64_t(e.facts.messages));
  line->add("bad_commands", std::uint64_t(e.facts.bad_commands));
  line->add("octets_in", e.octets_in).add("octets_out", e.octets_out);
  line->add("seconds", detail::seconds(e.duration));
}

GATEPOST_DECL void json_log::on_verdict(const verdict_event& e) {
  const log_level level = e.verdict.kind() == decision::pass && !e.verdict.has_effects()
                              ? log_level::debug
                              : log_level::info;
  if (!wants(level)) return;
  detail::log_line line(output_->logger, level, "verdict");
  detail::add_client(*line, e.facts);
  line->add("stage", e.stage).add("check", e.check).add("verdict", to_string(e.verdict.kind()));
  line->add_if("reason", e.verdict.reason());
  if (e.envelope.active()) detail::add_envelope(*line, e.envelope);
  if (e.verdict.has_effects()) {
    line->begin_list("tags");
    for (const tag& t : e.verdict.what_else().tags) line->add_item(t.name + "=" + t.value);
    line->end_list();
    line->add("score", e.verdict.what_else().score);
  }
  line->add("seconds", detail::seconds(e.duration));
}

GATEPOST_DECL void json_log::on_message(const message_event& e) {
  if (!wants(log_level::info)) return;
  detail::log_line line(output_->logger, log_level::info, "message");
  detail::add_client(*line, e.facts);
  detail::add_tls(*line, e.facts);
  line->add("result", e.result).add_if("queue", e.queue_id).add("reply", e.reply.to_string());
  detail::add_envelope(*line, e.envelope);
  line->add("size", e.size).add("seconds", detail::seconds(e.duration));
}

GATEPOST_DECL void json_log::on_delivery(const delivery_event& e) {
  if (!wants(log_level::info)) return;
  detail::log_line line(output_->logger, log_level::info, "delivery");
  line->add_if("queue", e.queue_id).add("session", e.session_id);
  line->add("from", e.reverse_path).add("to", e.forward_path).add("hop", e.next_hop);
  line->add("result", e.result).add("reply", e.reply).add("attempt", std::uint64_t(e.attempt));
  line->add("tls", e.tls).add("seconds", detail::seconds(e.duration));
}

GATEPOST_DECL void json_log::on_trouble(const trouble_event& e) {
  const log_level level = e.by_client ? log_level::warning : log_level::error;
  detail::log_line line(output_->logger, level, "trouble");
  line->add_if("session", e.session_id).add("where", e.where).add("what", e.what);
}

GATEPOST_DECL bool json_log::wants_transcript(const session_facts& facts) {
  if (facts.has_client_address() && options_.transcript_clients.contains(facts.client.address))
    return true;
  if (options_.transcript_share <= 0) return false;
  // FNV-1a, mixed: the ids of one moment differ in few bits.
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : facts.id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  hash ^= hash >> 32;
  hash *= 0x9E3779B97F4A7C15ull;
  return static_cast<double>(hash >> 11) / 9007199254740992.0 < options_.transcript_share;
}

GATEPOST_DECL void json_log::on_transcript(const session_facts& facts, direction d,
                                           std::string_view text) {
  detail::log_line line(output_->logger, log_level::debug, "transcript");
  line->add("session", facts.id).add("from", d == direction::from_client ? "client" : "server");
  line->add("line", text);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_JSON_LOG_IPP
