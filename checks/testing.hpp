// A session without network or server, for tests of checks.
//
//     checks::trial t;
//     t.add<my_check>(my_options);
//     t.facts().client.address = *smtp::parse_ip_address("192.0.2.1");
//     EXPECT_TRUE(t.connect().passes());
//     t.mail("<a@example.test>");
//     EXPECT_EQ(t.rcpt("<b@example.test>").reply().code(), 550);
//     EXPECT_EQ(t.message("Subject: hello\r\n\r\nYours\r\n").kind(), smtp::decision::hold);
//
// It calls the checks by a chain as a server does, in a session in which every command came at its
// place; the verdicts are those that the server gets. What the chain tells its observer is kept.
#ifndef GATEPOST_CHECKS_TESTING_HPP
#define GATEPOST_CHECKS_TESTING_HPP

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/chain.hpp"
#include "smtp/config.hpp"
#include "smtp/envelope.hpp"
#include "smtp/facts.hpp"
#include "smtp/observer.hpp"
#include "smtp/policy.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::checks {

// Keeps what an observer is told of verdicts and trouble.
class recorder final : public smtp::observer {
 public:
  struct verdict_record {
    std::string stage;
    std::string check;
    smtp::verdict verdict;
    std::chrono::nanoseconds duration;
  };
  struct trouble_record {
    std::string where;
    std::string what;
  };

  GATEPOST_DECL void on_verdict(const smtp::verdict_event& e) override;
  GATEPOST_DECL void on_trouble(const smtp::trouble_event& e) override;

  std::vector<verdict_record> verdicts;
  std::vector<trouble_record> trouble;
};

class trial {
 public:
  // Refusals are not delayed unless `options` says so; the observer is the trial's own.
  GATEPOST_DECL explicit trial(chain_options options = immediate());
  GATEPOST_DECL ~trial();

  // Longer than any check in a test takes; past it the trial throws std::logic_error.
  static constexpr std::chrono::seconds patience{90};

  // How add() runs checks: with time enough, and so that a failure shows.
  static run_options patient() {
    return {.deadline = std::chrono::minutes(1), .on_error = on_error::defer};
  }
  static chain_options immediate() {
    chain_options options;
    options.delay_refusals = false;
    return options;
  }

  template <std::derived_from<check> Check, class... Args>
  Check& add(Args&&... args) {
    return chain_.add<Check>(patient(), std::forward<Args>(args)...);
  }
  checks::chain& chain() { return chain_; }

  // What the checks see. To be set before the stage that looks at it.
  smtp::session_facts& facts() { return facts_; }
  const smtp::envelope& envelope() const { return envelope_; }

  // --- The session's way; each runs the stage to its end and gives its verdict
  // ----------------------
  GATEPOST_DECL smtp::verdict connect();
  GATEPOST_DECL smtp::verdict helo(std::string name);
  GATEPOST_DECL smtp::verdict tls();
  GATEPOST_DECL smtp::verdict auth(std::string identity);
  // Paths as in the commands: "<a@example.test>", "<>". Throws std::invalid_argument for others.
  GATEPOST_DECL smtp::verdict mail(std::string_view reverse_path);
  GATEPOST_DECL smtp::verdict rcpt(std::string_view forward_path);
  // DATA, the end of the header, the text in pieces of `chunk` octets, the end: the first verdict
  // that refuses, else the last one. The transaction is then over.
  GATEPOST_DECL smtp::verdict message(std::string_view text, std::size_t chunk = 4096);
  GATEPOST_DECL void reset();
  // The client leaves; the next stage is that of another session with the same facts.
  GATEPOST_DECL void leave();

  // The coroutines behind it, for tests that look between their steps.
  GATEPOST_DECL smtp::session_policy& session();
  asio::io_context& io() { return io_; }
  GATEPOST_DECL smtp::verdict run(asio::awaitable<smtp::verdict> what);

  const std::vector<recorder::verdict_record>& verdicts() const { return recorder_.verdicts; }
  const std::vector<recorder::trouble_record>& trouble() const { return recorder_.trouble; }

 private:
  smtp::verdict text(std::string_view all, std::size_t chunk);
  chain_options watched(chain_options options);

  asio::io_context io_{1};
  recorder recorder_;
  smtp::session_facts facts_;
  smtp::envelope envelope_;
  checks::chain chain_;
  std::unique_ptr<smtp::session_policy> session_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/testing.ipp"
#endif

#endif  // GATEPOST_CHECKS_TESTING_HPP
