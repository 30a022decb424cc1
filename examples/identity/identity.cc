// Says who sent a message, from the command line: see --help.

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "checks/dmarc/public_suffix.hpp"
#include "examples/identity/batch.hpp"
#include "examples/identity/evaluate.hpp"
#include "examples/identity/options.hpp"
#include "examples/identity/report.hpp"
#include "examples/standard_streams.hpp"
#include "smtp/dns/cares_resolver.hpp"

namespace {

namespace dns = gatepost::smtp::dns;
namespace dmarc = gatepost::checks::dmarc;

enum exit_status : int { good = 0, incomplete = 1, bad_use = 2 };

int fail(const std::string& why) {
  std::cerr << "identity: " << why << '\n';
  return bad_use;
}

int run_one(asio::io_context& io, dns::resolver& resolver, const identity::options& o,
            const identity::rules& by) {
  identity::findings found;
  asio::co_spawn(io, identity::evaluate(resolver, o.what, by),
                 [&found, &io](const std::exception_ptr& failed, identity::findings f) {
                   found = std::move(f);
                   if (failed) found.error = "it cannot be evaluated";
                   io.stop();  // the resolver may go on waiting for late answers
                 });
  io.run();
  if (!found.error.empty()) return fail(found.error);
  std::cout << (o.json ? as_json(found) + '\n' : as_tree(o.what, found));
  return good;
}

int run(const identity::options& o) {
  identity::rules by;
  by.regime = o.regime;
  std::optional<dmarc::public_suffix_list> suffixes;
  if (o.regime == dmarc::regime::rfc7489) {
    suffixes = dmarc::public_suffix_list::system();
    if (!suffixes) return fail("there is no public suffix list; install the package publicsuffix");
    by.suffixes = &*suffixes;
  }
  asio::io_context io(1);
  dns::cares_options ask;
  ask.servers = o.servers;
  // A request asks for some things side by side: an mx of ten hosts, the keys of all signatures.
  ask.outstanding = 32 * identity::at_once;
  dns::cares_resolver resolver(io, ask);
  if (!o.batch) return run_one(io, resolver, o, by);
  return identity::run_batch(io, resolver, by, o.now, stdin, stdout) == 0 ? good : incomplete;
}

}  // namespace

int main(int argc, char** argv) {
  examples::keep_standard_streams();
  const identity::options o = identity::parse_command_line(argc, argv);
  if (!o.wrong.empty()) return fail(o.wrong);
  try {
    int status = good;
    if (o.help)
      std::cout << identity::usage;
    else
      status = run(o);
    return examples::output_is_whole() ? status : fail(examples::output_is_cut);
  } catch (const std::exception& e) {
    return fail(e.what());
  }
}
