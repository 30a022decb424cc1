#include "examples/border_mta/outbound.hpp"

#include <utility>

#include "examples/border_mta/compose.hpp"
#include "routing/cut_through.hpp"
#include "routing/relay.hpp"

namespace border_mta {

namespace routing = gatepost::routing;
namespace smtp = gatepost::smtp;

namespace {

class by_spool final : public outbound {
 public:
  by_spool(const config& c, const outbound_surroundings& around, std::string& problem)
      : memory_(c.spool.memory), spool_(open_spool(c, &memory_, &around.observer, problem)) {
    if (!spool_) return;
    routing::relay_options options = c.relay.options;
    options.observer = &around.observer;
    options.tls = &around.tls;
    relay_ = std::make_unique<routing::relay>(around.io, *spool_, around.routes, options);
  }

  smtp::delivery& delivery() override { return *relay_; }
  std::error_code start() override { return relay_->start(); }
  void flush() override { relay_->flush(); }
  void stop(std::chrono::milliseconds at_most) override { relay_->stop(at_most); }

 private:
  smtp::memory_budget memory_;
  std::unique_ptr<routing::rocksdb_spool> spool_;
  std::unique_ptr<routing::relay> relay_;
};

class by_cut_through final : public outbound {
 public:
  by_cut_through(const config& c, const outbound_surroundings& around)
      : memory_(c.relay.memory), delivery_(around.routes, options_of(c, around)) {}

  smtp::delivery& delivery() override { return delivery_; }

 private:
  routing::cut_through_options options_of(const config& c, const outbound_surroundings& around) {
    routing::cut_through_options options = c.relay.cut_through;
    options.relay_from = c.relay.options.relay_from;
    options.relay_from_unix = c.relay.options.relay_from_unix;
    options.memory = &memory_;
    options.observer = &around.observer;
    options.tls = &around.tls;
    return options;
  }

  smtp::memory_budget memory_;
  routing::cut_through delivery_;
};

}  // namespace

std::unique_ptr<outbound> make_outbound(const config& c, const outbound_surroundings& around,
                                        std::string& problem) {
  if (c.relay.mode == delivery_mode::spool) {
    auto made = std::make_unique<by_spool>(c, around, problem);
    return problem.empty() ? std::move(made) : nullptr;
  }
  const problems wrong = try_overflow(c);
  if (!wrong.empty()) {
    problem = wrong.front();
    return nullptr;
  }
  return std::make_unique<by_cut_through>(c, around);
}

std::unique_ptr<routing::rocksdb_spool> open_spool(const config& c, smtp::memory_budget* budget,
                                                   smtp::observer* observer, std::string& problem) {
  if (c.relay.mode == delivery_mode::cut_through) {
    problem = c.complaint("relay.mode",
                          "with \"cut_through\" there is no spool; name a configuration that has");
    return nullptr;
  }
  routing::rocksdb_spool_options options = c.spool.options;
  options.budget = budget;
  options.observer = observer;
  std::string why;
  auto opened = routing::rocksdb_spool::open(options, why);
  if (!opened) problem = c.complaint("spool.directory", why);
  return opened;
}

}  // namespace border_mta
