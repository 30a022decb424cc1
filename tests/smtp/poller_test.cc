// This header stands alone.
#include "smtp/poller.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "smtp/io_local.hpp"

namespace gatepost::smtp {
namespace {

// One end of a pair of sockets; what is sent into the other end is told of here.
class end_of_pair final : public poller::watched {
 public:
  end_of_pair(asio::io_context& io, std::function<void(std::uint32_t)> what)
      : watched(io_local::of(io).sockets()), what_(std::move(what)) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both_.data()), 0);
  }
  ~end_of_pair() override {
    home().remove(*this);
    ::close(both_[0]);
    ::close(both_[1]);
  }

  std::error_code watch(std::uint32_t events = EPOLLIN) {
    return home().watch(*this, both_[0], events);
  }
  void unwatch() { home().remove(*this, both_[0]); }
  void send() const { EXPECT_EQ(::write(both_[1], "x", 1), 1); }
  void ready(std::uint32_t events) override {
    const auto what = what_;  // it may destroy this
    what(events);
  }

 private:
  std::array<int, 2> both_{};
  std::function<void(std::uint32_t)> what_;
};

TEST(poller, tells_once_of_each_change) {
  asio::io_context io;
  int told = 0;
  end_of_pair one(io, [&](std::uint32_t events) {
    EXPECT_EQ(events, std::uint32_t{EPOLLIN});
    ++told;
  });
  one.send();
  EXPECT_FALSE(one.watch());
  io.run_one();
  EXPECT_EQ(told, 1) << "what is there already counts";
  io.poll();
  EXPECT_EQ(told, 1) << "though nobody has read it";
  one.send();
  while (told < 2) io.run_one();
}

TEST(poller, tells_of_more_events_when_asked_to) {
  asio::io_context io;
  std::uint32_t seen = 0;
  end_of_pair one(io, [&](std::uint32_t events) { seen |= events; });
  EXPECT_FALSE(one.watch());
  io.poll();
  EXPECT_EQ(seen, 0U);
  EXPECT_FALSE(one.watch(EPOLLIN | EPOLLOUT));
  while (seen == 0) io.run_one();
  EXPECT_EQ(seen, std::uint32_t{EPOLLOUT});
}

TEST(poller, a_descriptor_that_the_kernel_does_not_watch_is_an_error) {
  asio::io_context io;
  end_of_pair one(io, [](std::uint32_t) {});
  const int file = ::open("/proc/self/exe", O_RDONLY);
  EXPECT_EQ(io_local::of(io).sockets().watch(one, file, EPOLLIN),
            std::errc::operation_not_permitted);
  ::close(file);
  EXPECT_FALSE(one.watch()) << "and changes nothing";
}

TEST(poller, run_goes_on_as_long_as_a_socket_is_known) {
  asio::io_context io;
  int told = 0;
  auto two = std::make_unique<end_of_pair>(io, [&](std::uint32_t) { ++told; });
  std::unique_ptr<end_of_pair> one;
  one = std::make_unique<end_of_pair>(io, [&](std::uint32_t) {
    ++told;
    one.reset();
    two->send();
  });
  auto last = std::make_unique<end_of_pair>(io, [](std::uint32_t) {});
  last->watch();
  last->unwatch();
  two->watch();
  one->watch();
  one->send();
  while (told < 2) ASSERT_EQ(io.run_one(), 1U);
  two.reset();
  io.run();  // nothing is left
}

// Whoever is told may destroy any other, told already or not, and new ones may take their places.
TEST(poller, an_event_does_not_reach_who_comes_after) {
  for (std::size_t killer = 0; killer < 3; ++killer) {
    asio::io_context io;
    std::vector<std::unique_ptr<end_of_pair>> all(3);
    std::vector<std::unique_ptr<end_of_pair>> later;
    int told = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = std::make_unique<end_of_pair>(io, [&, i](std::uint32_t) {
        ++told;
        if (i != killer) return;
        for (auto& victim : all) victim.reset();
        for (int n = 0; n < 3; ++n) {
          later.push_back(std::make_unique<end_of_pair>(
              io, [](std::uint32_t) { ADD_FAILURE() << "that was for somebody else"; }));
          later.back()->watch();
        }
      });
      all[i]->watch();
      all[i]->send();
    }
    io.poll();
    EXPECT_EQ(told, static_cast<int>(killer) + 1);
    EXPECT_EQ(later.size(), 3U);
  }
}

TEST(poller, an_exception_takes_no_events_from_the_others) {
  asio::io_context io;
  int told = 0;
  std::vector<std::unique_ptr<end_of_pair>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(std::make_unique<end_of_pair>(io, [&](std::uint32_t) {
      if (++told == 1) throw std::runtime_error("of the program");
    }));
    all.back()->watch();
    all.back()->send();
  }
  EXPECT_THROW(io.run_one(), std::runtime_error);
  EXPECT_EQ(told, 3);
  all.front()->send();
  while (told < 4) io.run_one();
}

TEST(poller, more_than_a_batch) {
  asio::io_context io;
  std::size_t told = 0;
  std::vector<std::unique_ptr<end_of_pair>> all;
  for (std::size_t i = 0; i < 2 * poller::batch + 1; ++i) {
    all.push_back(std::make_unique<end_of_pair>(io, [&](std::uint32_t) { ++told; }));
    all.back()->watch();
    all.back()->send();
  }
  while (told < all.size()) ASSERT_EQ(io.run_one(), 1U);
}

TEST(poller, says_when_the_io_context_ends) {
  struct last_one final : poller::watched {
    last_one(poller& home, bool& told) : watched(home), told(told) {}
    void ready(std::uint32_t) override {}
    void forsaken() override {
      told = true;
      delete this;  // as a coroutine's frame goes, which owns its connection
    }
    bool& told;
  };
  bool told = false;
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  {
    asio::io_context io;
    poller& sockets = io_local::of(io).sockets();
    auto* one = new last_one(sockets, told);
    EXPECT_FALSE(sockets.watch(*one, ends[0], EPOLLIN));
  }
  EXPECT_TRUE(told);
  for (const int e : ends) ::close(e);
}

}  // namespace
}  // namespace gatepost::smtp
