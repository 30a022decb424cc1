#include "examples/border_mta/command_line.hpp"

#include <vector>

#include "examples/border_mta/values.hpp"

namespace border_mta {

const std::string_view usage =
    R"(Usage: border_mta [--config FILE] [--dir DIR] [TASK]
A border MTA: takes mail by SMTP, checks it, keeps it safe, and delivers it.

  --config FILE    the configuration, in TOML; without it a built-in one, for example.test on port
                   2525 of the loopback address
  --dir DIR        relative paths in the configuration are under this folder; default: the folder
                   of FILE, and for the built-in configuration a new one under $TMPDIR
  --listen ADDRESS listen here, instead of where the configuration says: "127.0.0.1:2525"

Tasks; the default is to run in the foreground:
  --check-config   says what is wrong with the configuration and all files that it names
  --print-config   prints the configuration as it is understood, with all defaults; without
                   --config: the text of the built-in one
  --queue          lists the messages in the spool (*)
  --release ID     makes a message due at the next start that is held, has failed or waits (*)
  --remove ID      throws a message away (*)
  --repair         opens a spool whose log is damaged, without what cannot be read of it (*)
  --help, --version

(*) Only while the server is not running: the spool belongs to one process at a time.

Signals: SIGTERM and SIGINT stop it when running transactions are over, a second one at once; SIGHUP
loads routes, keys and certificates again; SIGUSR1 opens the log file again.

Exit status: 0 after a stop or a task well done, 1 where --queue, --release or --remove find no such
message, 2 where something is wrong with the configuration, a certificate, a port or the spool; one
line for each says where, what, and what to do.

Examples:
  border_mta                                          # the built-in one: for example.test
  border_mta --print-config > border_mta.toml         # a configuration to begin with
  border_mta --config border_mta.toml --check-config
  border_mta --config border_mta.toml
)";

namespace {

using task = command_line::task;

struct option {
  std::string_view name;
  task what;
  std::string command_line::* value = nullptr;  // where its argument goes, if it has one
  bool is_task = true;
};

constexpr option options[] = {
    {"--config", task::run, &command_line::config_file, false},
    {"--dir", task::run, &command_line::directory, false},
    {"--listen", task::run, &command_line::listen, false},
    {"--check-config", task::check},
    {"--print-config", task::print},
    {"--queue", task::queue},
    {"--release", task::release, &command_line::id},
    {"--remove", task::remove, &command_line::id},
    {"--repair", task::repair},
    {"--help", task::help},
    {"-h", task::help},
    {"--version", task::version},
};

const option* find(std::string_view name) {
  for (const option& o : options)
    if (o.name == name) return &o;
  return nullptr;
}

std::string unknown(std::string_view name) {
  std::vector<std::string_view> names;
  for (const option& o : options) names.push_back(o.name);
  const auto meant = nearest(name, names);
  std::string text = "\"" + std::string(name) + "\" is no option; ";
  return meant ? text + "did you mean " + std::string(*meant) + '?' : text + "--help lists them";
}

}  // namespace

command_line parse_command_line(int argc, const char* const* argv) {
  command_line result;
  bool has_task = false;
  for (int i = 1; i < argc; ++i) {
    // --option=value or --option value.
    std::string_view name = argv[i];
    std::string_view value;
    const std::size_t equals = name.find('=');
    const bool joined = name.starts_with("--") && equals != std::string_view::npos;
    if (joined) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const option* o = find(name);
    if (o == nullptr) return {.wrong = unknown(name)};
    if (o->is_task) {
      if (has_task) return {.wrong = std::string(name) + " is a second task; give one"};
      has_task = true;
      result.what = o->what;
    }
    if (o->value == nullptr) {
      if (joined) return {.wrong = std::string(name) + " takes no value"};
      continue;
    }
    if (!joined && i + 1 < argc) value = argv[++i];
    if (value.empty()) return {.wrong = std::string(name) + " needs a value; see --help"};
    result.*(o->value) = value;
  }
  return result;
}

}  // namespace border_mta
