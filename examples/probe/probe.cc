// An SMTP and LMTP client for the command line that shows what happens. See --help.

#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "examples/probe/message.hpp"
#include "examples/probe/options.hpp"
#include "examples/probe/recorder.hpp"
#include "examples/probe/report.hpp"
#include "examples/probe/session.hpp"
#include "examples/standard_streams.hpp"
#include "smtp/tls/context.hpp"

namespace smtp = gatepost::smtp;

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "probe: " << what << "\n";
  std::exit(2);
}

std::unique_ptr<probe::report> make_report(const probe::options& o) {
  const auto how_much = o.quiet ? probe::detail::result_only : probe::detail::all;
  if (o.json) return probe::make_json_report(how_much);
  // https://no-color.org
  const char* const no_color = std::getenv("NO_COLOR");
  const bool wanted = o.color && (no_color == nullptr || *no_color == '\0');
  const bool colored = wanted && isatty(STDOUT_FILENO) == 1;
  return probe::make_text_report(how_much, colored ? probe::colors::ansi : probe::colors::none);
}

void load_tls(smtp::client_context& tls, const probe::options& o) {
  smtp::tls_client_options settings;
  settings.ca_file = o.ca_file;
  if (const auto loaded = tls.load(settings); !loaded) fail(loaded.error);
}

probe::inputs read_inputs(const probe::options& o) {
  probe::inputs in;
  std::string wrong;
  if (!o.password_file.empty()) {
    const auto password = probe::read_password(o.password_file, wrong);
    if (!password) fail("--password-file: " + wrong);
    in.password = *password;
  }
  if (!o.message_file.empty()) {
    const auto message = probe::read_input(o.message_file, wrong);
    if (!message) fail("--message: " + wrong);
    in.message = probe::with_crlf(*message);
  }
  return in;
}

}  // namespace

int main(int argc, char** argv) {
  examples::keep_standard_streams();
  const probe::options o = probe::parse_command_line(argc, argv);
  if (!o.wrong.empty()) fail(o.wrong);
  if (o.help) {
    std::cout << probe::usage;
    return 0;
  }
  smtp::client_context tls;
  if (o.tls != probe::tls_use::none) load_tls(tls, o);
  const probe::inputs in = read_inputs(o);

  asio::io_context io;
  const std::unique_ptr<probe::report> report = make_report(o);
  probe::session session(io, o, in, tls, *report);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](std::error_code error, int signal) {
    if (error) return;
    signals.clear();  // a second one ends the process
    if (!session.cancel()) std::raise(signal);
  });
  asio::co_spawn(io, session.run(), [&](std::exception_ptr problem) {
    signals.cancel();
    if (problem) std::rethrow_exception(problem);
  });
  io.run();
  const probe::summary result = session.result();
  report->ended(result);
  if (!examples::output_is_whole()) fail(examples::output_is_cut);
  return result.good() ? 0 : 1;
}
