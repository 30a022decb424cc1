// border_mta: takes mail by SMTP, checks it, keeps it safe, delivers it. One program, composed of
// the library's parts; what it does is what its configuration says (config.hpp).

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>

#include "examples/border_mta/command_line.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/default_config.hpp"
#include "examples/border_mta/outbound.hpp"
#include "examples/border_mta/queue.hpp"
#include "examples/border_mta/reload.hpp"
#include "examples/border_mta/service.hpp"
#include "examples/standard_streams.hpp"
#include "smtp/config.hpp"
#include "smtp/errc.hpp"
#include "smtp/ip.hpp"
#include "smtp/observer.hpp"
#include "smtp/server.hpp"

namespace border_mta {
namespace {

namespace smtp = gatepost::smtp;

constexpr int good = 0;
constexpr int not_found = 1;
constexpr int wrong = 2;

int fail(const problems& lines) {
  for (const std::string& line : lines) std::cerr << "border_mta: " << line << '\n';
  return wrong;
}

int fail(std::string line) { return fail(problems{std::move(line)}); }

int serve(const config& c, const config_source& from, const command_line& how) {
  service all(c, from);
  if (const problems p = all.start(how); !p.empty()) return fail(p);
  all.run();
  return good;
}

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
  problems all = read_config(from, c);
  if (all.empty() && how.what == command_line::task::print) {
    std::cout << write_config(c);
    return good;
  }
  complete(c);
  const bool is_for_service =
      how.what == command_line::task::run || how.what == command_line::task::check;
  if (!all.empty() && is_for_service) append(all, try_all(c, how));
  if (!all.empty()) return fail(all);
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
