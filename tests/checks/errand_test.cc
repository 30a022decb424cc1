// This header stands alone.
#include "checks/detail/errand.hpp"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "tests/checks/kit.hpp"
#include "tests/support/run.hpp"

namespace gatepost::checks::detail {
namespace {

using namespace std::chrono_literals;

// Work that waits for an event, and keeps a record of its end.
class job {
 public:
  explicit job(asio::io_context& io) : go(io.get_executor()) {}

  asio::awaitable<std::string> work() {
    try {
      co_await go.wait();
    } catch (const asio::system_error&) {
      cancelled = true;
      throw;
    }
    if (fails) throw std::runtime_error("no luck");
    co_return std::string("done");
  }

  kit::event go;
  bool cancelled = false;
  bool fails = false;
};

using text_errand = errand<std::string>;

struct fixture {
  asio::io_context io{1};
  job j{io};

  std::shared_ptr<text_errand> start(errand_time until = errand_time::max()) {
    return text_errand::start(io.get_executor(), j.work(), until);
  }
  void poll() {
    io.restart();
    io.poll();
  }
  bool wait(const std::shared_ptr<text_errand>& e) { return testing::run(io, e->wait()); }
};

TEST(Errand, GoesOnWhileNobodyWaits) {
  fixture f;
  const auto e = f.start();
  f.poll();
  EXPECT_FALSE(e->done());
  f.j.go.set();
  f.poll();
  EXPECT_TRUE(e->done());
  EXPECT_TRUE(f.wait(e));
  EXPECT_EQ(e->result(), "done");
  EXPECT_TRUE(f.wait(e)) << "again";
}

TEST(Errand, WakesAllWhoWait) {
  fixture f;
  const auto e = f.start();
  int woken = 0;
  for (int i = 0; i < 3; ++i)
    asio::co_spawn(f.io, e->wait(), [&](const std::exception_ptr&, bool done) { woken += done; });
  f.poll();
  EXPECT_EQ(woken, 0);
  f.j.go.set();
  f.poll();
  EXPECT_EQ(woken, 3);
}

TEST(Errand, ThrowsWhatItsWorkThrows) {
  fixture f;
  f.j.fails = true;
  f.j.go.set();
  const auto e = f.start();
  EXPECT_THROW(f.wait(e), std::runtime_error);
  EXPECT_FALSE(e->done());
}

TEST(Errand, TakesNoLongerThanItsDeadline) {
  fixture f;
  const auto e = f.start(std::chrono::steady_clock::now());
  EXPECT_FALSE(f.wait(e));
  f.poll();
  EXPECT_TRUE(f.j.cancelled);
}

TEST(Errand, IsCancelledWithItsPointer) {
  fixture f;
  {
    const errand_ptr<std::string> p(f.start());
    f.poll();
    EXPECT_FALSE(f.j.cancelled);
  }
  f.poll();
  EXPECT_TRUE(f.j.cancelled);
}

TEST(Errand, IsCancelledWhenItsPointerTakesAnother) {
  fixture f;
  job other(f.io);
  errand_ptr<std::string> p(f.start());
  f.poll();
  p = errand_ptr<std::string>(text_errand::start(f.io.get_executor(), other.work()));
  f.poll();
  EXPECT_TRUE(f.j.cancelled);
  EXPECT_FALSE(other.cancelled);
}

TEST(Errand, GoesOnWhenWhoWaitsIsCancelled) {
  fixture f;
  const auto e = f.start();
  asio::cancellation_signal cancel;
  std::exception_ptr error;
  asio::co_spawn(f.io, e->wait(),
                 asio::bind_cancellation_slot(
                     cancel.slot(), [&](const std::exception_ptr& x, bool) { error = x; }));
  f.poll();
  cancel.emit(asio::cancellation_type::all);
  f.poll();
  EXPECT_THROW(std::rethrow_exception(error), asio::system_error);
  EXPECT_FALSE(f.j.cancelled);
  f.j.go.set();
  EXPECT_TRUE(f.wait(e));
}

TEST(Errand, DoesNotBeginWhereItIsCancelledBefore) {
  fixture f;
  const auto e = f.start();
  e->cancel();
  f.j.go.set();
  EXPECT_THROW(f.wait(e), asio::system_error);
  EXPECT_FALSE(e->done());
}

TEST(Errand, CanBeCancelledAfterItsEnd) {
  fixture f;
  f.j.go.set();
  const errand_ptr<std::string> p(f.start());
  EXPECT_TRUE(f.wait(p.share()));
  p->cancel();
  f.poll();
  EXPECT_EQ(p->result(), "done");
}

TEST(Errand, OutlivesItsExecutor) {
  errand_ptr<std::string> p;
  auto io = std::make_unique<asio::io_context>(1);
  auto j = std::make_unique<job>(*io);
  // The errand has a timer of the io_context, which therefore goes with what is left in it; the
  // coroutine is destroyed in the middle.
  auto e = text_errand::start(io->get_executor(), j->work());
  io->poll();
  std::weak_ptr<text_errand> left = e;
  e.reset();
  EXPECT_FALSE(left.expired()) << "its work goes on";
  j.reset();
  io.reset();
  EXPECT_TRUE(left.expired());
}

}  // namespace
}  // namespace gatepost::checks::detail
