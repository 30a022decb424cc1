// Spools for tests in which something goes wrong with one.
#ifndef GATEPOST_TESTS_ROUTING_SPOOL_FIXTURES_HPP
#define GATEPOST_TESTS_ROUTING_SPOOL_FIXTURES_HPP

#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "routing/rocksdb_spool.hpp"
#include "routing/spool.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/spool_support.hpp"

namespace gatepost::tests {

// An embedded spool that fails where the test says, and tries again at once. A text of more than
// 1,000 octets has a file of its own.
class faulty_spool_test : public ::testing::Test {
 protected:
  faulty_spool_test() : options(scratch / "spool") {
    options.free_reserve = 0;
    options.inline_limit = 1000;
    options.first_retry = std::chrono::milliseconds(1);
    options.longest_retry = std::chrono::milliseconds(2);
    options.observer = &trouble;
    options.fault = [this](routing::spool_step step) {
      return on_step ? on_step(step) : std::error_code{};
    };
    reopen();
  }

  void reopen() {
    spool.reset();
    std::string problem;
    spool = routing::rocksdb_spool::open(options, problem);
    ASSERT_TRUE(spool) << problem;
  }

  scratch_directory scratch;
  trouble_log trouble;
  std::function<std::error_code(routing::spool_step)> on_step;  // set while the spool is idle
  routing::rocksdb_spool_options options;
  std::unique_ptr<routing::rocksdb_spool> spool;
};

// Does what another one does, but for what a test changes.
class forwarding_spool : public routing::spool {
 public:
  explicit forwarding_spool(routing::spool& to) : to_(to) {}

  std::error_code available() const override { return to_.available(); }
  std::unique_ptr<routing::spool_writer> begin() override { return to_.begin(); }
  asio::awaitable<std::error_code> update(const routing::spool_message& m,
                                          routing::durability how) override {
    return to_.update(m, how);
  }
  asio::awaitable<std::error_code> remove(std::string_view id, routing::durability how) override {
    return to_.remove(id, how);
  }
  smtp::result<routing::spool_message> load(std::string_view id) const override {
    return to_.load(id);
  }
  smtp::result<std::unique_ptr<routing::body_reader>> open(std::string_view id) const override {
    return to_.open(id);
  }
  std::error_code for_each(const routing::spool_visitor& v) const override {
    return to_.for_each(v);
  }
  routing::spool_stats stats() const override { return to_.stats(); }

 private:
  routing::spool& to_;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_ROUTING_SPOOL_FIXTURES_HPP
